import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { until } from '../until.ts';
import { freePort } from './listen.ts';
import { type Program, startProgram } from './program.ts';

const run = promisify(execFile);

/** A real redis-server that a test started on a free port. */
export interface RedisServer {
  readonly port: number;
  /** For `redisStore`. */
  readonly url: string;
  /** A plain client for looking behind the store; closed with the server. */
  readonly admin: Redis;
  /** Ends the server and deletes its folder. */
  stop(): Promise<void>;
  /** Ends the server as a crash would; it stays down until `start`. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty unless it was told to save. */
  start(): Promise<void>;
  /** Starts it again on what it had saved, with these further arguments; does not wait until that is loaded. */
  startLoading(more: readonly string[]): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  freeze(): void;
  thaw(): void;
}

export interface RedisServerOptions {
  readonly password?: string;
  readonly tls?: Certificates;
  /** Makes it a sentinel with this configuration. */
  readonly sentinel?: string;
  /** Further arguments, such as `--maxmemory 1mb`. */
  readonly args?: readonly string[];
}

export async function startRedis({
  password,
  tls,
  sentinel,
  args = [],
}: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-redis-'));
  const port = await freePort();
  const listen =
    tls === undefined
      ? ['--port', `${port}`]
      : [
          ...['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.ca],
        ];
  const storage = sentinel === undefined ? ['--save', '', '--appendonly', 'no'] : ['--sentinel'];
  const command = [...listen, '--bind', '127.0.0.1', '--dir', folder, ...storage];
  if (password !== undefined) command.push('--requirepass', password);
  command.push(...args);
  if (sentinel !== undefined) {
    // A sentinel keeps its state in its configuration, which has to be a file.
    const file = join(folder, 'sentinel.conf');
    writeFileSync(file, sentinel);
    command.unshift(file);
  }

  const admin = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { ca: readFileSync(tls.ca), servername: 'localhost' } }),
    retryStrategy: () => 50,
  });
  admin.on('error', () => undefined);
  let server: Program;
  const startLoading = async (more: readonly string[]): Promise<void> => {
    server = await startProgram('redis-server', [...command, ...more], { ready: LISTENS });
  };
  const start = async (): Promise<void> => {
    server = await startProgram('redis-server', command, { ready: SERVES });
    if (admin.status === 'wait') await admin.connect();
    await admin.ping();
  };
  const kill = async (): Promise<void> => void (await server.stop('SIGKILL'));
  await start();
  const userinfo = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return {
    port,
    url: tls ? `rediss://${userinfo}localhost:${port}` : `redis://${userinfo}127.0.0.1:${port}`,
    admin,
    start,
    startLoading,
    kill,
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    async stop() {
      admin.disconnect();
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  /** Those that are masters at the moment; every node has to be up. */
  masters(): Promise<RedisServer[]>;
  readonly url: string;
  stop(): Promise<void>;
}

/** Three masters, each with this many replicas; default none. */
export async function startRedisCluster({ replicas = 0 }: { readonly replicas?: number } = {}): Promise<RedisCluster> {
  // With replicas the cluster is one that is meant to outlive a master: what lies on the others goes on being served.
  const coverage = replicas === 0 ? [] : ['--cluster-require-full-coverage', 'no'];
  const nodes = await Promise.all(
    Array.from({ length: 3 * (1 + replicas) }, async () => {
      const bus = await freePort();
      return startRedis({
        args: ['--cluster-enabled', 'yes', '--cluster-port', `${bus}`, '--cluster-node-timeout', '2000', ...coverage],
      });
    }),
  );
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await redisCli('--cluster', 'create', ...addresses, '--cluster-replicas', `${replicas}`, '--cluster-yes');
  for (const { admin } of nodes) await until(async () => (await admin.cluster('INFO')).includes('cluster_state:ok'));
  const masters = async (): Promise<RedisServer[]> => {
    const roles = await Promise.all(nodes.map(async ({ admin }) => String((await admin.role())[0])));
    return nodes.filter((_, i) => roles[i] === 'master');
  };
  await until(async () => (await Promise.all((await masters()).map(replicasOf))).every((count) => count === replicas));
  return {
    nodes,
    masters,
    url: addresses.map((address) => `redis://${address}`).join(','),
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** Replicas that a master feeds. */
async function replicasOf({ admin }: RedisServer): Promise<number> {
  return ((await admin.info('replication')).match(/state=online/g) ?? []).length;
}

/** Runs redis-cli and answers with what it printed. */
export async function redisCli(...args: readonly string[]): Promise<string> {
  return (await run('redis-cli', args)).stdout;
}

/** A master of a cluster with its id. */
export interface ClusterNode {
  readonly server: RedisServer;
  readonly id: string;
}

/** Who serves the slot, and another master. */
export async function ownerAndOther(
  { masters }: RedisCluster,
  slot: number,
): Promise<readonly [ClusterNode, ClusterNode]> {
  const all = await Promise.all(
    (await masters()).map(async (server) => {
      const id = String(await server.admin.cluster('MYID'));
      const own =
        String(await server.admin.cluster('NODES'))
          .split('\n')
          .find((line) => line.includes('myself')) ?? '';
      const ranges = own
        .split(' ')
        .slice(8)
        .map((range) => range.split('-').map(Number));
      return { server, id, owns: ranges.some(([from = -1, to = from]) => slot >= from && slot <= to) };
    }),
  );
  const owner = all.find(({ owns }) => owns);
  const other = all.find(({ owns }) => !owns);
  if (owner === undefined || other === undefined) throw new Error('nobody owns the slot');
  return [owner, other];
}

/** A master, its replica, and three sentinels that watch them. */
export interface SentinelSetUp {
  readonly servers: readonly [master: RedisServer, replica: RedisServer];
  readonly sentinels: readonly RedisServer[];
  readonly url: string;
  stop(): Promise<void>;
}

export async function startSentinels(): Promise<SentinelSetUp> {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${master.port}`] });
  await until(async () => (await replicasOf(master)) === 1);
  const config = [
    `sentinel monitor stepgate 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds stepgate 1000',
    'sentinel failover-timeout stepgate 5000',
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis({ sentinel: `${config.join('\n')}\n` })));
  const knows = async ({ admin }: RedisServer): Promise<boolean> => {
    const told = String(await admin.info('sentinel'));
    return told.includes('slaves=1') && told.includes('sentinels=3');
  };
  await until(async () => (await Promise.all(sentinels.map(knows))).every(Boolean));
  return {
    servers: [master, replica],
    sentinels,
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/stepgate`,
    async stop() {
      await Promise.all([...sentinels, master, replica].map((server) => server.stop()));
    },
  };
}

/** Paths of a throwaway CA and of a certificate for `localhost` and 127.0.0.1. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  remove(): void;
}

export async function makeCertificates(): Promise<Certificates> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-tls-'));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]) => run('openssl', args);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    ...['req', '-x509', ...ec, '-days', '2', '-subj', '/CN=Test CA'],
    ...['-keyout', at('ca.key'), '-out', at('ca.pem')],
  );
  await openssl(
    ...['req', '-x509', ...ec, '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', at('server.key'), '-out', at('server.pem')],
  );
  return {
    ca: at('ca.pem'),
    cert: at('server.pem'),
    key: at('server.key'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What a server prints once it takes connections, and once it has loaded what it had saved. */
const LISTENS = /Server initialized/;
const SERVES = /Ready to accept connections|Sentinel ID is/;
