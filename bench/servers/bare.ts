/**
 * What a check is compared with: a bare Hono server that parses the same body and makes one Lua call to the same Redis,
 * through the same @hono/node-server and ioredis settings. The call is the one that counts an attempt of a subject and
 * reads its baseline. Listens on 127.0.0.1:`PORT` (0: any) and prints the port.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { Redis } from 'ioredis';
import { SCRIPT } from '../../src/store/redis/script.ts';

const redis = new Redis(process.env.REDIS_URL ?? '', {
  commandTimeout: 1000,
  socketTimeout: 2000,
  keepAlive: 10_000,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
});
const sha1 = createHash('sha1').update(SCRIPT).digest('hex');
await redis.script('LOAD', SCRIPT);

const app = new Hono();
app.post('/v1/risk-check', async (c) => {
  const { subject } = await c.req.json<{ subject: string }>();
  const keys = [`bare:{${subject}}:tally`, `bare:{${subject}}:baseline`];
  const steps = [[Math.floor(Date.now() / 1000), 1, 1, 1, [1, '', '']]];
  const reply = await redis.evalsha(sha1, 2, ...keys, JSON.stringify(steps));
  return c.json({ decision: 'allow', reply });
});

const server = createServer(getRequestListener(app.fetch));
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` }));
});
process.on('SIGTERM', () => process.exit(0));
