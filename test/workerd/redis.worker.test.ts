import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeCertificates, startRedis } from '../servers/redis.ts';
import { bundle, startWorkerd } from '../servers/workerd.ts';

const WORKER = await bundle(join(import.meta.dirname, 'store-worker.ts'), {
  vitest: join(import.meta.dirname, 'vitest.ts'),
});

const certificates = await makeCertificates();
const WAYS = [
  { way: 'a connection for each request', size: null },
  { way: 'a pool of one object', size: '1' },
  { way: 'a pool of four objects', size: '4' },
];

for (const { way, size } of WAYS) {
  const redis = await startRedis({ tls: certificates, password: 'p@ss,w/rd:1' });
  const workerd = await startWorkerd(WORKER, {
    vars: { REDIS_URL: `${redis.url}/3`, POOL_SIZE: size, TIMEOUT_MS: '5000' },
    durableObjects: { REDIS_POOL: 'RedisPool' },
    ca: readFileSync(certificates.ca, 'utf8'),
  });
  const names: string[] = await (await fetch(`${workerd.url}/contract`)).json();
  describe(`inside workerd, over TLS with a password: ${way}`, () => {
    test.each(names.map((name, i) => [name, i] as const))('%s', async (_name, i) => {
      expect(await (await fetch(`${workerd.url}/contract/${i}`)).json()).toEqual({ failure: null });
    });
    afterAll(async () => {
      await workerd.stop();
      await redis.stop();
    });
  });
}
