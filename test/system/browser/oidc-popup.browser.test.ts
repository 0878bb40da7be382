import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServerType, serve } from '@hono/node-server';
import { build } from 'esbuild';
import { Hono } from 'hono';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createStepgateClient } from '../../../packages/sdk/src/client.ts';
import { riskCheck } from '../../../packages/sdk/src/hono.ts';
import { launchChromium } from '../../support/browser/chromium.ts';
import { issuerEntry, openBank } from '../../support/idp/bank.ts';
import { API, type IdentityProvider, identityProvider } from '../../support/idp/provider.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';

/** What the page offers to the test. */
declare function approve(): Promise<{ status: number; text: string }>;

/** The page of an application: the client's adapter around the `UserManager` of oidc-client-ts. */
const PAGE_SCRIPT = `
import { UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { oidcPopup } from '@stepgate/browser/oidc';
import { stepUpFetch } from '@stepgate/browser';
const manager = new UserManager({
  authority: ISSUER, client_id: 'shop', redirect_uri: location.origin + '/signed-in', scope: 'openid pay', resource: API,
  userStore: new WebStorageStateStore({ store: sessionStorage }),
});
if (location.pathname === '/signed-in') manager.signinPopupCallback();
const send = stepUpFetch({ onStepUp: oidcPopup(manager), collect: null });
window.approve = async () => {
  const response = await send('/payouts', { method: 'POST', body: 'one payout' });
  return { status: response.status, text: await response.text() };
};
`;

let stepgate: Workshop;
let idp: IdentityProvider;
let site: ServerType;
let origin: string;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  stepgate = await workshop();
  const app = new Hono();
  site = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await once(site, 'listening');
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  idp = await identityProvider({ pageOrigin: origin });
  const bank = await openBank(stepgate, issuerEntry(idp));
  const client = createStepgateClient({ url: bank.url, key: KEY, timeoutMs: 20_000 });
  const { outputFiles } = await build({
    stdin: { contents: PAGE_SCRIPT, resolveDir: resolve(import.meta.dirname, '../../..') },
    define: { ISSUER: JSON.stringify(idp.issuer), API: JSON.stringify(API) },
    bundle: true,
    format: 'esm',
    write: false,
  });
  const script = outputFiles[0]?.text ?? '';
  const html =
    '<!doctype html><html lang="en"><title>Bank</title><script type="module" src="/page.js"></script></html>';
  app.get('/page.js', (c) => c.text(script, 200, { 'Content-Type': 'text/javascript' }));
  app.get('/', (c) => c.html(html));
  app.get('/signed-in', (c) => c.html(html));
  app.post('/payouts', riskCheck({ client, action: 'payout.approve', subject: () => 'alice' }), async (c) =>
    c.text(`approved: ${await c.req.text()}`),
  );
  browser = await launchChromium(['--disable-popup-blocking']);
}, 120_000);

afterAll(async () => {
  await browser.close();
  site.close();
  await idp.stop();
  await stepgate.close();
});

beforeEach(async () => {
  page = await (await browser.newContext()).newPage();
  await page.goto(origin);
  await page.waitForFunction(() => 'approve' in globalThis);
});

/** Begins a payout; the popup that the challenge opens. */
async function challenged() {
  const answer = page.evaluate(() => approve());
  const popup = await page.waitForEvent('popup');
  await popup.waitForURL(/\/interaction\//);
  return { answer, popup };
}

/** The provider of the tests says what it asks for in JSON; this is the person who fills it in. */
async function enter(popup: Page, account: string, methods: readonly string[]): Promise<void> {
  const fields = methods.map((method) => `<input name="method" value="${method}">`).join('');
  await popup.setContent(
    `<form method="post"><input name="account" value="${account}">${fields}<button>Go</button></form>`,
  );
  await popup.getByRole('button').click();
}

test('A challenge opens the provider in a popup, and the request goes through with the token that comes back', async () => {
  const { answer, popup } = await challenged();
  const asked = new URL(popup.url());
  expect(asked.origin).toBe(idp.issuer);
  expect(JSON.parse((await popup.textContent('body')) ?? '')).toMatchObject({ asks: ['pwd', 'otp'] });
  await enter(popup, 'alice', ['pwd', 'otp']);
  expect(await answer).toEqual({ status: 200, text: 'approved: one payout' });
});

test('What counts once is asked for each time, although the provider has a session', async () => {
  for (const nth of [1, 2]) {
    const { answer, popup } = await challenged();
    expect(await popup.textContent('body'), `payout ${nth}`).toContain(nth === 1 ? 'no_session' : 'login_prompt');
    await enter(popup, 'alice', ['pwd', 'otp']);
    expect(await answer).toEqual({ status: 200, text: 'approved: one payout' });
    // Providers tell the moment of a log-in in whole seconds.
    const second = Math.floor(Date.now() / 1000);
    while (Math.floor(Date.now() / 1000) === second) await sleep(50);
  }
});

test('A person who proves to be somebody else is challenged once more and no further', async () => {
  const { answer, popup } = await challenged();
  await enter(popup, 'mallory', ['pwd', 'otp']);
  expect((await answer).status).toBe(401);
});

test('A person who is refused at the provider has declined: the challenge is the answer', async () => {
  const { answer, popup } = await challenged();
  await enter(popup, 'alice', []);
  expect((await answer).status).toBe(401);
});

test('A popup that is closed is a decline, and the next request asks again', async () => {
  const first = await challenged();
  await first.popup.close();
  expect((await first.answer).status).toBe(401);
  const second = await challenged();
  await enter(second.popup, 'alice', ['pwd', 'otp']);
  expect((await second.answer).status).toBe(200);
});
