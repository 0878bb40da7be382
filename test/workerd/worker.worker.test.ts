import { afterEach, expect, test } from 'vitest';
import { post } from '../servers/stepgate.ts';
import { startWorker, type WorkerOptions, type WorkerServer } from '../servers/worker.ts';

const servers: WorkerServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function started(options: WorkerOptions = {}): Promise<WorkerServer> {
  const server = await startWorker(options);
  servers.push(server);
  return server;
}

test('the bundle of a deploy starts in workerd and answers a check', async () => {
  const { url } = await started();
  const { status, text } = await post(`${url}/v1/risk-check`, '{"subject":"ann","action":"login","ip":"81.2.69.160"}');
  expect(status, text).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ decision: 'step-up', degraded: [] });
});

test('without its secrets in production it refuses every request and names them', async () => {
  const { url } = await started({ vars: { NODE_ENV: 'production', API_KEYS: '' } });
  for (const path of ['/v1/risk-check', '/forward-auth', '/healthz']) {
    const { status, headers, text } = await post(`${url}${path}`, '{"action":"login"}');
    expect(status).toBe(503);
    expect(headers['content-type']).toBe('application/problem+json');
    const { code, detail } = JSON.parse(text);
    expect(code).toBe('misconfigured');
    for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY']) expect(detail).toContain(name);
  }
});
