import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { createStepgateClient } from '../../../../packages/sdk/src/client.ts';
import * as forExpress from '../../../../packages/sdk/src/express.ts';
import * as forHono from '../../../../packages/sdk/src/hono.ts';
import { BOUND_COOKIE, REFRESH_PATH, REGISTER_PATH } from '../../../../src/contract/device-session.ts';
import { incoming, SESSION_RULES } from '../../../support/device-session/application.ts';
import { fakeBrowser, type Network } from '../../../support/device-session/browser.ts';
import { API_KEY, scene } from '../../../support/scene.ts';

const TRAITS = 'v=1;fp=b1946ac92492d2347c6235b4d2611184;c.canvas=a1b2;c.webgl=c3d4;c.fonts=e5f6;c.machine=a7b8';

/** A busy machine may take longer than the second that is the default. */
const STEPGATE = { url: 'http://stepgate', key: API_KEY, timeoutMs: 30_000 };

/** An application that is its own gateway. */
interface Shop {
  readonly network: Network;
  close(): Promise<void>;
}

type OpenShop = (client: ReturnType<typeof createStepgateClient>) => Promise<Shop>;

const honoShop: OpenShop = async (client) => {
  const app = new Hono();
  const subject = () => 'ann';
  app.all('/.stepgate/device/*', forHono.deviceSessions({ client }));
  app.post('/pay', forHono.riskCheck({ client, action: 'pay', subject }), (c) => c.text('paid'));
  app.get('/vault', forHono.riskCheck({ client, action: 'vault', subject }), (c) => c.text('gold'));
  return {
    network: async ({ method, url, headers }) =>
      incoming(await app.request(new URL(url).pathname, { method, headers })),
    close: async () => undefined,
  };
};

const expressShop: OpenShop = async (client) => {
  const app = express();
  const subject = () => 'ann';
  app.use('/.stepgate/device', forExpress.deviceSessions({ client }));
  app.post('/pay', forExpress.riskCheck({ client, action: 'pay', subject }), (_req, res) => void res.send('paid'));
  app.get('/vault', forExpress.riskCheck({ client, action: 'vault', subject }), (_req, res) => void res.send('gold'));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    network: async ({ method, url, headers }) =>
      incoming(await fetch(`http://127.0.0.1:${port}${new URL(url).pathname}`, { method, headers })),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

describe.each([
  ['Hono', honoShop],
  ['Express', expressShop],
] as const)('deviceSessions() of %s', (_name, open) => {
  const sceneWith = () => scene({ rules: SESSION_RULES, offersDeviceSessions: true });

  test('A browser is invited by riskCheck(), registers and refreshes through the application, and is trusted', async () => {
    const it = sceneWith();
    const client = createStepgateClient({
      ...STEPGATE,
      fetch: (request) => it.app.fetch(request),
    });
    const shop = await open(client);
    const browser = fakeBrowser({ network: shop.network, now: () => it.clock.ms });
    const visit = async (path: string) => {
      const answer = await browser.request(`https://shop.example${path}`, { headers: { 'x-stepgate-device': TRAITS } });
      await it.settled();
      return answer;
    };
    const paid = await browser.request('https://shop.example/pay', {
      method: 'POST',
      headers: { 'x-stepgate-device': TRAITS, 'x-step-up-token': await it.proof('ann') },
    });
    await it.settled();
    expect(paid).toMatchObject({ status: 200, body: 'paid' });
    expect(browser.pathsSince()).toEqual(['/pay', REGISTER_PATH]);
    expect(await visit('/vault')).toMatchObject({ status: 200, body: 'gold' });
    browser.pathsSince();

    browser.expireCookie(BOUND_COOKIE);
    expect(await visit('/vault')).toMatchObject({ status: 200 });
    expect(browser.pathsSince()).toEqual([REFRESH_PATH, '/vault']);
    await shop.close();
  });

  test('While Stepgate is away the browser keeps its session and says that it could not refresh', async () => {
    const it = sceneWith();
    let isAway = false;
    const client = createStepgateClient({
      ...STEPGATE,
      fetch: (request) => (isAway ? Promise.reject(new Error('away')) : it.app.fetch(request)),
    });
    const shop = await open(client);
    const browser = fakeBrowser({ network: shop.network, now: () => it.clock.ms });
    await browser.request('https://shop.example/pay', {
      method: 'POST',
      headers: { 'x-stepgate-device': TRAITS, 'x-step-up-token': await it.proof('ann') },
    });
    isAway = true;
    browser.expireCookie(BOUND_COOKIE);
    await browser.request('https://shop.example/vault');
    expect(browser.sessions).toHaveLength(1);
    expect(browser.sent.at(-1)?.headers['secure-session-skipped']).toMatch(/^server_error;/);
    await shop.close();
  });

  test('No other path of Stepgate is reached through it', async () => {
    const it = sceneWith();
    const asked: string[] = [];
    const client = createStepgateClient({
      ...STEPGATE,
      fetch: (request) => {
        asked.push(request.url);
        return it.app.fetch(request);
      },
    });
    const shop = await open(client);
    for (const path of ['/.stepgate/device/x', '/.stepgate/device/%2e%2e/%2e%2e/healthz', '/.stepgate/device/']) {
      const answer = await shop.network({ method: 'POST', url: `https://shop.example${path}`, headers: {} });
      expect(answer.status, path).toBe(404);
    }
    expect(asked).toEqual([]);
    await shop.close();
  });
});
