import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Fate, startProxy } from '../../support/servers/proxy.ts';
import { makeCertificates, type RedisServer, startRedis, startRedisCluster } from '../../support/servers/redis.ts';
import { bundle, startWorkerd, type Workerd } from '../../support/servers/workerd.ts';
import { until } from '../../support/until.ts';

const WORKER = await bundle(join(import.meta.dirname, 'store-worker.ts'), {
  vitest: join(import.meta.dirname, 'vitest.ts'),
});
const certificates = await makeCertificates();
afterAll(() => certificates.remove());

const cleanups: (() => unknown)[] = [];
const tidy = async (): Promise<void> => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
};

interface Start {
  readonly url: string;
  /** Null: a connection for each request. */
  readonly size: string | null;
  readonly timeoutMs?: number;
  readonly ca?: string;
}

/** A cold isolate. */
async function started({ url, size, timeoutMs = 20_000, ca }: Start): Promise<Workerd> {
  const workerd = await startWorkerd(WORKER, {
    vars: { REDIS_URL: url, POOL_SIZE: size, STORE_TIMEOUT_MS: String(timeoutMs) },
    durableObjects: { REDIS_POOL: 'RedisPool' },
    ...(ca === undefined ? {} : { ca }),
  });
  cleanups.push(() => workerd.stop());
  return workerd;
}

async function redisStarted(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const redis = await startRedis(...options);
  cleanups.push(() => redis.stop());
  return redis;
}

async function ask(workerd: Workerd, path: string, init?: RequestInit) {
  const response = await fetch(`${workerd.url}/${path}`, init);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

/** Connections to a server, but for the one of the test. */
async function clientsOf({ admin }: RedisServer): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await admin.info('clients'))?.[1]) - 1;
}

const READ = { subject: { state: 'read' }, address: { state: 'read' }, device: { state: 'read' } };
const slots = z.object({ subject: z.object({ state: z.string(), why: z.string().optional() }) });
const attemptsOf = (answer: { value: { subject: { value: { attempts1m: number } } } }): number =>
  answer.value.subject.value.attempts1m;

const AT = `at=${1_741_608_000_000}`;

const WAYS = [
  { way: 'a connection for each request', size: null },
  { way: 'a pool of one object', size: '1' },
  { way: 'a pool of four objects', size: '4' },
];

for (const { way, size } of WAYS) {
  const redis = await startRedis({ tls: certificates, password: 'p@ss,w/rd:1' });
  const workerd = await started({
    url: `${redis.url}/3`,
    size,
    ca: readFileSync(certificates.ca, 'utf8'),
  });
  cleanups.pop();
  const names = z.array(z.string()).parse(await ask(workerd, 'contract'));

  describe(`inside workerd, over TLS with a password and a database: ${way}`, () => {
    afterAll(async () => {
      await workerd.stop();
      await redis.stop();
    });

    test('The whole suite was found', () => expect(names.length).toBeGreaterThan(25));

    test.each(names.map((name, i) => [name, i] as const))('%s', async (_name, i) => {
      expect(await ask(workerd, `contract/${i}`)).toEqual({ failure: null });
    });

    test('Everything lies in the database of the URL', async () => {
      expect(await redis.admin.dbsize()).toBe(0);
      expect(await redis.admin.info('keyspace')).toMatch(/^db3:keys=/m);
    });

    test('The runtime logs no complaint', () => expect(workerd.output()).toBe(''));
  });
}

describe.each(WAYS.slice(0, 2))('from a Worker, $way', ({ size }) => {
  afterEach(tidy);

  /** @see https://github.com/unjs/db0/issues/253 */
  test('The second request of an isolate is answered like the first, and so are those that come together', async () => {
    const redis = await redisStarted();
    const workerd = await started({ url: redis.url, size });
    for (let i = 1; i <= 2; i += 1) {
      const answer = await ask(workerd, `attempt?${AT}`);
      expect(answer.value).toMatchObject(READ);
      expect(attemptsOf(answer)).toBe(i);
    }
    const together = await Promise.all([1, 2].map(() => ask(workerd, `attempt?${AT}`)));
    expect(together.map(attemptsOf).sort()).toEqual([3, 4]);
    expect(workerd.output()).toBe('');
  });

  test('200 first requests at once on a cold isolate are all answered in full, counted once and learned from', async () => {
    const redis = await redisStarted();
    const workerd = await started({ url: redis.url, size });
    const subjects = Array.from({ length: 200 }, (_, i) => `subject-${i % 100}`);
    const answers = await Promise.all(
      subjects.map((subject) => ask(workerd, `attempt?learn&subject=${subject}&${AT}`)),
    );
    expect(answers.map(attemptsOf).sort()).toEqual([...Array(100).fill(1), ...Array(100).fill(2)]);
    const baselines = new Set(subjects.map((subject) => `sg:{s:${subject}}:baseline`));
    await until(async () => (await redis.admin.exists(...baselines)) === 100);
    expect(workerd.output()).toBe('');
  });

  test('Scripts that the server has forgotten are sent again, and nothing is counted twice', async () => {
    const redis = await redisStarted();
    const workerd = await started({ url: redis.url, size });
    for (let i = 1; i <= 6; i += 1) {
      if (i % 2 === 0) await redis.admin.script('FLUSH');
      expect(attemptsOf(await ask(workerd, `attempt?${AT}`))).toBe(i);
    }
  });

  test.each([
    ['away', (redis: RedisServer) => redis.kill()],
    ['frozen', async (redis: RedisServer) => redis.freeze()],
  ])(
    'While Redis is %s every request is answered at its budget; when it is back, so is the store',
    async (how, fail) => {
      const redis = await redisStarted();
      const workerd = await started({ url: redis.url, size, timeoutMs: 200 });
      await ask(workerd, `attempt?${AT}`);
      await fail(redis);
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => ask(workerd, `attempt?learn&subject=s${i}`)),
      );
      for (const { value } of answers) {
        const { subject } = slots.parse(value);
        expect(subject.state).toBe('failed');
        expect(['timeout', 'unreachable']).toContain(subject.why);
      }
      if (how === 'away') await redis.start();
      else redis.thaw();
      await untilRead(workerd);
      await expectQuiet(workerd);
    },
  );

  test.each<[Fate]>([['stalled'], ['reset mid-reply'], ['closed']])(
    'A server whose answers are %s costs the request that asked, and none after it',
    async (fault) => {
      const redis = await redisStarted();
      const proxy = await startProxy(redis.port);
      cleanups.push(() => proxy.stop());
      const workerd = await started({ url: `redis://127.0.0.1:${proxy.port}`, size, timeoutMs: 200 });
      await untilRead(workerd);
      proxy.replies(fault);
      for (let i = 0; i < 3; i += 1) {
        const [attempt, spent] = await Promise.all([
          ask(workerd, `attempt?learn&${AT}`),
          ask(workerd, 'spend?subject=p'),
        ]);
        expect(slots.parse(attempt.value).subject.state).toBe('failed');
        expect(['timeout', 'unreachable']).toContain(spent.code);
      }
      proxy.replies('pass');
      await untilRead(workerd);
      await expectQuiet(workerd);
    },
  );

  test('A password that is wrong is an outage, told without the password', async () => {
    const redis = await redisStarted({ password: 'right' });
    const workerd = await started({ url: `redis://:wrong-one@127.0.0.1:${redis.port}`, size, timeoutMs: 2000 });
    const { value } = await ask(workerd, 'attempt');
    expect(slots.parse(value).subject).toEqual({ state: 'failed', why: 'unreachable' });
    await until(() => workerd.output().includes('Redis refused a command: WRONGPASS'));
    expect(workerd.output()).not.toContain('wrong-one');
  });

  test.each([
    ['of an authority that the runtime does not know', '127.0.0.1', false],
    ['made for another host', '127.0.0.2', true],
  ])('A certificate %s is refused', async (_why, host, isTrusted) => {
    const redis = await redisStarted({ tls: certificates, args: ['--bind', '127.0.0.1', '127.0.0.2'] });
    const trusted = readFileSync(certificates.ca, 'utf8');
    const url = `rediss://${host}:${redis.port}`;
    const workerd = await started({ url, size, timeoutMs: 2000, ...(isTrusted ? { ca: trusted } : {}) });
    const { value } = await ask(workerd, 'attempt');
    expect(slots.parse(value).subject).toEqual({ state: 'failed', why: 'unreachable' });
  });

  test('An attempt waits for Redis once, and once more to spend a proof', async () => {
    const redis = await redisStarted({ password: 'secret' });
    const proxy = await startProxy(redis.port, { countsTurns: true });
    cleanups.push(() => proxy.stop());
    const workerd = await started({ url: `redis://:secret@127.0.0.1:${proxy.port}/2`, size });
    // The server learns the scripts, and every object connects.
    for (let i = 0; i < 20; i += 1) await ask(workerd, 'spend?subject=first');
    const asked = async (path: string) => {
      const before = proxy.turns();
      const { value } = await ask(workerd, path);
      return { value, waits: proxy.turns() - before };
    };
    expect(await asked(`attempt?${AT}`)).toMatchObject({ value: READ, waits: 1 });
    expect(await asked('spend?subject=second')).toMatchObject({ value: { spent: true }, waits: 2 });
  });
});

describe('connections', () => {
  afterEach(tidy);

  test.each([
    ['was answered', async (workerd: Workerd) => ask(workerd, 'attempt?learn')],
    ['was ended by its budget', async (workerd: Workerd) => ask(workerd, 'attempt?learn')],
    ['closed its store and goes on with other work', async (workerd: Workerd) => ask(workerd, 'attempt?learn&linger')],
    ['was given up by its client', (workerd: Workerd) => givenUp(`${workerd.url}/attempt?learn`)],
  ])('No connection is left of a request that %s', async (how, request) => {
    const redis = await redisStarted({ tls: certificates });
    const proxy = await startProxy(redis.port);
    cleanups.push(() => proxy.stop());
    const url = `rediss://localhost:${proxy.port}`;
    const workerd = await started({ url, size: null, timeoutMs: 500, ca: readFileSync(certificates.ca, 'utf8') });
    await untilRead(workerd);
    await until(async () => (await clientsOf(redis)) === 0);
    if (how.startsWith('was ended') || how.startsWith('was given up')) proxy.replies('stalled');
    await Promise.all(Array.from({ length: 50 }, () => request(workerd)));
    // The runtime ends them: nothing is released here before they are gone.
    await until(() => proxy.connections() === 0);
    await until(async () => (await clientsOf(redis)) === 0);
    await expectQuiet(workerd);
  });

  test('A pool has one for each object, however many requests come', async () => {
    const redis = await redisStarted();
    const workerd = await started({ url: redis.url, size: '4' });
    await Promise.all(Array.from({ length: 200 }, (_, i) => ask(workerd, `attempt?learn&subject=s${i}`)));
    expect(await clientsOf(redis)).toBe(4);
    await Promise.all(Array.from({ length: 20 }, () => givenUp(`${workerd.url}/attempt?learn`)));
    await ask(workerd, 'attempt');
    expect(await clientsOf(redis)).toBe(4);
  });

  test('A pool connects anew when Redis was restarted, and its first command finds the scripts there', async () => {
    const redis = await redisStarted();
    const workerd = await started({ url: redis.url, size: '1' });
    await untilRead(workerd);
    for (let i = 0; i < 2; i += 1) {
      await redis.kill();
      await redis.start();
      await untilRead(workerd);
      expect(await clientsOf(redis)).toBe(1);
      expect(await redis.admin.info('commandstats')).not.toContain('cmdstat_eval:');
    }
    await expectQuiet(workerd);
  });
});

describe('the Durable Object', () => {
  const CLAIM = ['sg:{p:proof}:spent', 600];
  const COUNTERS = { of: 'subject', key: 'sg:{s:ann}:tally' };
  const SEEN = { subject: null, address: null, network: null, device: null, country: null };
  const READ = { at: 1, write: true, event: 'attempt', seen: SEEN, counters: [COUNTERS], values: [] };
  const REFUSED = { answer: { code: 'rejected', message: 'RedisPool takes the steps of the store and nothing else' } };
  let redis: RedisServer;
  let workerd: Workerd;

  beforeAll(async () => {
    redis = await startRedis();
    workerd = await started({ url: redis.url, size: '1' });
    cleanups.pop();
    await redis.admin.set('session:secret', 'not of the store');
  });

  afterAll(async () => {
    await workerd.stop();
    await redis.stop();
  });

  const call = (method: string, ...args: unknown[]) =>
    ask(workerd, `pool/${method}`, { method: 'POST', body: JSON.stringify(args) });

  const SWAP = { key: 'sg:{s:a}:baseline', expected: null, next: 'x', ttlMs: 1000 };

  test('The Durable Object takes the steps of the store', async () => {
    expect(await call('claim', ...CLAIM)).toEqual({ answer: { value: true } });
    expect(await call('claim', ...CLAIM)).toEqual({ answer: { value: false } });
    expect(await call('get', 'sg:{s:ann}:baseline')).toEqual({ answer: { value: null } });
    expect(await call('steps', [READ])).toEqual({ answer: { value: [['1 0 0 0']] } });
    expect(await call('steps', [SWAP, SWAP])).toEqual({ answer: { value: [['1'], ['0', 'x']] } });
  });

  test.each<[string, string, unknown[]]>([
    ['a key that is not of the store', 'get', ['session:secret']],
    ['a key that only begins like one', 'get', ['sg:{x:1}:tally']],
    ['no key', 'get', []],
    ['more than the call takes', 'get', ['sg:{s:a}:tally', 'sg:{s:b}:tally']],
    ['a key among others', 'remove', [['sg:{s:a}:tally', 'session:secret']]],
    ['nothing to remove', 'remove', [[]]],
    ['a value that never expires', 'claim', ['sg:{p:x}:spent', 0]],
    ['a value without an expiry', 'steps', [[{ ...SWAP, ttlMs: null }]]],
    ['a value to write under a foreign key', 'steps', [[{ ...SWAP, key: 'session:secret' }]]],
    ['counters under a foreign key', 'steps', [[{ ...READ, counters: [{ ...COUNTERS, key: 'session:secret' }] }]]],
    ['a value under a foreign key', 'steps', [[{ ...READ, values: ['session:secret'] }]]],
    ['counters of what has none', 'steps', [[{ ...READ, counters: [{ ...COUNTERS, of: 'x' }] }]]],
    ['an event that is not counted', 'steps', [[{ ...READ, event: 'x' }]]],
    ['a field that does not exist', 'steps', [[{ ...READ, script: 'return 1' }]]],
    ['an argument where none is', 'ping', ['x']],
  ])('The Durable Object refuses %s', async (_what, method, args) => {
    expect(await call(method, ...args)).toEqual(REFUSED);
    expect(await redis.admin.get('session:secret')).toBe('not of the store');
  });

  test.each(['flushall', 'call', 'eval', 'fetch', 'alarm', 'constructor', 'open', '#connection', 'connection'])(
    'The Durable Object has nothing that is called %s',
    async (method) => {
      const { thrown } = await call(method, 'sg:{s:a}:tally');
      expect(thrown).toMatch(/Error/);
      expect(await redis.admin.get('session:secret')).toBe('not of the store');
    },
  );
});

describe('a Redis of several servers', () => {
  afterEach(tidy);

  test.each([
    ['a Redis Cluster', 'redis://a:1,b:2'],
    ['sentinels', 'redis+sentinel://a:1/master'],
  ])('%s is refused for a connection of one request, with the reason', async (what, url) => {
    const workerd = await started({ url, size: null });
    const { thrown } = await ask(workerd, 'attempt');
    expect(thrown).toContain(`REDIS_URL names ${what}`);
    expect(thrown).toContain('REDIS_POOL');
  });

  test('A pool serves a Redis Cluster', async () => {
    const cluster = await startRedisCluster();
    cleanups.push(() => cluster.stop());
    const workerd = await started({ url: cluster.url, size: '2' });
    await untilRead(workerd);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ask(workerd, `attempt?learn&subject=s${i}`)),
    );
    for (const { value } of answers) expect(value).toMatchObject(READ);
    for (const { admin } of cluster.nodes) expect(await admin.dbsize()).toBeGreaterThan(0);
    await expectQuiet(workerd);
  });

  test('A pool finds the master through its sentinels', async () => {
    const redis = await redisStarted();
    const sentinel = await redisStarted({ sentinel: `sentinel monitor mymaster 127.0.0.1 ${redis.port} 1\n` });
    const workerd = await started({ url: `redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`, size: '1' });
    await untilRead(workerd);
    expect(await redis.admin.dbsize()).toBeGreaterThan(0);
    await expectQuiet(workerd);
  });
});

/** Begins a request and goes away before it is answered. */
async function givenUp(url: string): Promise<void> {
  await fetch(url, { signal: AbortSignal.timeout(60) }).catch((error: unknown) => {
    if (!(error instanceof DOMException)) throw error;
  });
}

function untilRead(workerd: Workerd): Promise<void> {
  return until(async () => slots.parse((await ask(workerd, `attempt?${AT}`)).value).subject.state === 'read');
}

/** Nothing but connections that are known to have failed. */
async function expectQuiet(workerd: Workerd): Promise<void> {
  // What a broken connection leaves behind is said a turn or two later.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(workerd.output().replace(/^.*no connection.*\n/gm, '')).toBe('');
}
