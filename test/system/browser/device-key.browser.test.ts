import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createStepgateClient } from '../../../packages/sdk/src/client.ts';
import { riskCheck } from '../../../packages/sdk/src/hono.ts';
import { bundleClient, writeScripts } from '../../../scripts/build-client.ts';
import { launchChromium } from '../../support/browser/chromium.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { AUDIENCE, ISSUER, type SigningKey, sign, signingKey } from '../../support/step-up/tokens.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const RULES = {
  version: 1,
  actions: { browse: {}, pay: { trust: { days: 30, on_step_up: true } } },
  rules: [{ id: 'pay', when: { action: 'pay' }, then: { decision: 'step-up', max_age: 300, reason: 'pay_guarded' } }],
};

let stepgate: Workshop;
let key: SigningKey;
let browser: Browser;
let server: ServerType;
let shop: string;

beforeAll(async () => {
  writeScripts(await bundleClient());
  key = await signingKey();
  stepgate = await workshop();
  const issuer = { issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [key.jwk] }, algorithms: ['ES256'] };
  await writeFile(join(stepgate.dir, 'default.json'), JSON.stringify(RULES));
  const { server: service } = await stepgate.start({ STEP_UP_ISSUERS: JSON.stringify([issuer]) });
  const client = createStepgateClient({ url: service.url, key: KEY, timeoutMs: 20_000 });
  const app = new Hono();
  app.get('/', (c) =>
    c.html(`<!doctype html><title>Shop</title><script src="${service.url}/client.js"></script><script>
      window.shopFetch = Stepgate.stepUpFetch({
        collect: () => Stepgate.collectDevice({ timeoutMs: 60000 }),
        onStepUp: async () => (await fetch('/proof')).text(),
      });
    </script>`),
  );
  app.get('/proof', async (c) => {
    const now = Math.floor(Date.now() / 1000);
    return c.text(await sign(key, { sub: 'ann', iat: now, auth_time: now, exp: now + 300, jti: crypto.randomUUID() }));
  });
  const guard = riskCheck({
    client,
    action: (c) => c.req.path.split('/').at(-1) ?? '',
    subject: () => 'ann',
  });
  app.post('*', guard, (c) => {
    const decision = c.get('stepgate');
    return c.json(decision.failed ? null : decision.signals.device?.facts);
  });
  server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await once(server, 'listening');
  // A secure context, so that the browser keeps the Secure cookie.
  shop = `http://localhost:${(server.address() as AddressInfo).port}`;
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  await stepgate?.close();
});

const asked = (page: Page, path: string): Promise<{ readonly [fact: string]: unknown }> =>
  page.evaluate(`window.shopFetch(${JSON.stringify(path)}, { method: 'POST' }).then((answer) => answer.json())`);

async function opened(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.goto(shop);
  return page;
}

test('A step-up in Chromium binds the device to a key that survives a reload, and a copied cookie without it is not trusted', async () => {
  const context = await browser.newContext();
  const page = await opened(context);
  await asked(page, '/api/pay');
  await vi.waitFor(async () => {
    expect(await asked(page, '/api/browse')).toMatchObject({
      'device.state': 'trusted',
      'device.bound': true,
      'device.key_proof': 'valid',
    });
  });

  await page.reload();
  expect(await asked(page, '/api/browse')).toMatchObject({ 'device.state': 'trusted', 'device.key_changed': false });

  const isReadable = await page.evaluate(`(async () => {
    const done = (request) => new Promise((resolve) => request.addEventListener('success', () => resolve(request.result)));
    const database = await done(indexedDB.open('stepgate', 1));
    const { privateKey } = await done(database.transaction('keys').objectStore('keys').get('device'));
    return crypto.subtle.exportKey('pkcs8', privateKey).then(() => true, () => privateKey.extractable);
  })()`);
  expect(isReadable).toBe(false);

  const thief = await browser.newContext();
  await thief.addCookies(await context.cookies());
  const stolen = await opened(thief);
  expect(await asked(stolen, '/api/browse')).toMatchObject({
    'device.state': 'unconfirmed',
    'device.bound': true,
    'device.key_changed': true,
  });

  // Without IndexedDB there is no proof either, and nothing fails.
  const blind = await browser.newContext();
  await blind.addCookies(await context.cookies());
  await blind.addInitScript('Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("no"); } });');
  const facts = await asked(await opened(blind), '/api/browse');
  expect(facts).toMatchObject({ 'device.state': 'unconfirmed' });
  expect(facts['device.key_proof']).toBeUndefined();
});
