import { storySuite } from '../../contract/story-suite.ts';
import { startRedis } from '../../support/servers/redis.ts';
import { startWorker } from '../../support/servers/worker.ts';

storySuite(async (listsDir) => {
  const redis = await startRedis();
  const worker = await startWorker({
    data: true,
    listsDir,
    secrets: { REDIS_URL: redis.url },
    vars: { STORE_TIMEOUT_MS: 10_000 },
  });
  return {
    url: worker.url,
    close: async () => {
      await worker.stop();
      await redis.stop();
    },
  };
});
