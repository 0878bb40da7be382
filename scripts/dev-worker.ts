/**
 * `npm run dev:worker`: the Worker in workerd with `wrangler dev`, in development, with a key made for this run. Uses the Redis of
 * `REDIS_URL`, else one that answers on 127.0.0.1:6379, else none; starts none. `PORT` is where it listens, 8787 by default.
 */
import { spawn } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const LOCAL_REDIS = { host: '127.0.0.1', port: 6379 };
/** How long a Redis next door may take to answer, in ms. */
const PATIENCE_MS = 500;

/** True where something answers PING as Redis does, with or without a password. */
function answersAsRedis(): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(LOCAL_REDIS);
    const settle = (is: boolean): void => {
      socket.destroy();
      answer(is);
    };
    socket.setTimeout(PATIENCE_MS, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('data', (data) => settle(/^(?:\+PONG|-NOAUTH)/.test(data.toString())));
    socket.write('PING\r\n');
  });
}

async function redisUrl(): Promise<string | null> {
  const given = process.env.REDIS_URL?.trim();
  if (given) return given;
  return (await answersAsRedis()) ? `redis://${LOCAL_REDIS.host}:${LOCAL_REDIS.port}` : null;
}

async function isAnswering(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

const redis = await redisUrl();
const key = randomBytes(24).toString('base64url');
const port = process.env.PORT?.trim() || '8787';
const url = `http://127.0.0.1:${port}`;
const folder = mkdtempSync(join(tmpdir(), 'stepgate-dev-'));
// A file that only its owner reads: arguments of a process are shown to everybody on the machine.
const variables = join(folder, 'variables');
writeFileSync(
  variables,
  [
    'NODE_ENV=development',
    `API_KEYS='${JSON.stringify({ version: 1, keys: [{ name: 'development', sha256: hash('sha256', key), rights: ['admin'] }] })}'`,
    // Generated here and not by the Worker, so that stored data stays readable after a rebuild.
    `PRIVACY_KEY=${randomBytes(48).toString('base64url')}`,
    `DEVICE_TOKEN_SECRET=${randomBytes(48).toString('base64url')}`,
    ...(redis === null ? [] : [`REDIS_URL=${redis}`]),
  ].join('\n'),
  { mode: 0o600 },
);

const root = resolve(import.meta.dirname, '..');
const args = ['dev', '--ip', '127.0.0.1', '--port', port, '--env-file', variables];
const wrangler = spawn(process.execPath, [join(root, 'node_modules/wrangler/bin/wrangler.js'), ...args], {
  cwd: root,
  stdio: 'inherit',
  env: { WRANGLER_SEND_METRICS: 'false', ...process.env },
});
let hasEnded = false;
wrangler.once('exit', (code) => {
  hasEnded = true;
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => wrangler.kill(signal));

while (!hasEnded && !(await isAnswering(url))) await new Promise((again) => setTimeout(again, PATIENCE_MS));
if (!hasEnded) {
  const body = JSON.stringify({ subject: 'user-123', action: 'login', ip: '81.2.69.160' });
  console.log(
    [
      '',
      redis === null
        ? 'Store: memory of one isolate (no Redis on 127.0.0.1:6379; set REDIS_URL for another)'
        : 'Store: Redis, a connection for each request',
      `curl -s ${url}/v1/risk-check \\`,
      `  -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' \\`,
      `  -d '${body}'`,
      '',
    ].join('\n'),
  );
}
