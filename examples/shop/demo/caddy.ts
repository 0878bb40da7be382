import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Caddy in front of the shop. */
export interface Caddy {
  readonly port: number;
  stop(): Promise<void>;
}

export interface CaddyOptions {
  /** Directory for its data. */
  readonly dir: string;
  readonly appPort: number;
  readonly stepgateUrl: string;
  readonly stepgateKey: string;
}

/**
 * Starts Caddy with `gateway/Caddyfile` and resolves once it listens.
 *
 * @throws {Error} when it is not installed or ends at once, with what it printed
 */
export async function startCaddy({ dir, appPort, stepgateUrl, stepgateKey }: CaddyOptions): Promise<Caddy> {
  const port = await freePort();
  const child = spawn(
    'caddy',
    ['run', '--adapter', 'caddyfile', '--config', join(import.meta.dirname, '../gateway/Caddyfile')],
    {
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        SITE: `:${port}`,
        APP_ADDR: `127.0.0.1:${appPort}`,
        STEPGATE_ADDR: new URL(stepgateUrl).host,
        STEPGATE_KEY: stepgateKey,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let printed = '';
  child.stderr.on('data', (chunk) => {
    printed = `${printed}${chunk}`.slice(-4000);
  });
  const ended = once(child, 'close').catch((error: unknown) => {
    printed = String(error);
  });
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  while (!(await isOpen(port))) {
    if (hasEnded) throw new Error(`Caddy did not start; is it installed? ${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return { port, stop: () => end(child, ended) };
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  await ended;
}

/** Caddy does not support port 0: this finds a port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port to be had');
  return address.port;
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
