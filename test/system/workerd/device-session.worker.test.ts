import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceSessionSuite } from '../../contract/device-session-suite.ts';
import { SESSION_RULES } from '../../support/device-session/application.ts';
import { issuer } from '../../support/issuer.ts';
import { startRedis } from '../../support/servers/redis.ts';
import { KEY } from '../../support/servers/stepgate.ts';
import { startWorker } from '../../support/servers/worker.ts';

deviceSessionSuite(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-sessions-'));
  await writeFile(join(dir, 'default.json'), JSON.stringify(SESSION_RULES));
  const idp = issuer();
  const redis = await startRedis();
  const worker = await startWorker({
    rulesDir: dir,
    secrets: { REDIS_URL: redis.url },
    vars: { STORE_TIMEOUT_MS: 10_000, DEVICE_BOUND_SESSIONS: 'on', STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) },
  });
  return {
    call: (path, init) => fetch(`${worker.url}${path}`, { ...init, redirect: 'manual' }),
    key: KEY,
    token: (sub, { su = false } = {}) => idp.sign({ sub, jti: crypto.randomUUID(), ...(su && { su }) }, 5),
    now: () => Date.now(),
    settled: async () => undefined,
    close: async () => {
      await worker.stop();
      await redis.stop();
      await rm(dir, { recursive: true });
    },
  };
});
