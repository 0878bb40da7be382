import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BOUND_COOKIE, REFRESH_PATH, REGISTER_PATH } from '../../../src/contract/device-session.ts';
import { chromiumOptions } from '../../support/browser/chromium.ts';
import { applicationBehind, SESSION_RULES } from '../../support/device-session/application.ts';
import type { Incoming, Network } from '../../support/device-session/browser.ts';
import { issuer } from '../../support/issuer.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';

const TRAITS = 'v=1;fp=b1946ac92492d2347c6235b4d2611184;c.canvas=a1b2;c.webgl=c3d4;c.fonts=e5f6;c.machine=a7b8';

/** Chromium keeps the keys in memory instead of a TPM; the registration itself is what is shipped. */
const FEATURES = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting';

const idp = issuer();
let dir: string;
let shop: Workshop;
let serviceUrl: string;
let server: Server;
let context: BrowserContext;
let page: Page;
let calls: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stepgate-chromium-'));
  shop = await workshop();
  writeFileSync(join(shop.dir, 'default.json'), JSON.stringify(SESSION_RULES));
  const started = await shop.start({ DEVICE_BOUND_SESSIONS: 'on', STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) });
  serviceUrl = started.server.url;
  const network = applicationBehind({
    key: KEY,
    call: (path, init) => fetch(`${serviceUrl}${path}`, { ...init, redirect: 'manual' }),
  });
  const { key, cert, spki } = certificate(dir);
  server = applicationServer({ key, cert }, network);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  context = await chromium.launchPersistentContext(join(dir, 'profile'), {
    ...chromiumOptions([`--enable-features=${FEATURES}`, `--ignore-certificate-errors-spki-list=${spki}`]),
    baseURL: `https://localhost:${port}`,
  });
  page = await context.newPage();
  await page.goto('/');
}, 120_000);

afterAll(async () => {
  await context?.close();
  server?.closeAllConnections();
  server?.close();
  await shop?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A key and a certificate of this test alone, and the hash by which the browser is told of it. */
function certificate(folder: string) {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '7',
    '-keyout',
    key,
    '-out',
    cert,
  ];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject], { stdio: 'ignore' });
  const text = readFileSync(cert, 'utf8');
  const der = new X509Certificate(text).publicKey.export({ type: 'spki', format: 'der' });
  return { key: readFileSync(key, 'utf8'), cert: text, spki: createHash('sha256').update(der).digest('base64') };
}

/** The application and its gateway, over TLS. */
function applicationServer(tls: { key: string; cert: string }, network: Network): Server {
  return createServer(tls, async (request, response) => {
    const path = request.url ?? '/';
    calls.push(`${request.method} ${path}`);
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === 'string' && !name.startsWith(':') && !/^(?:connection|content-length|host)$/.test(name)
        ? [[name, value]]
        : [],
    );
    const url = `https://${request.headers.host}${path}`;
    const answer: Incoming = await network({
      method: request.method ?? 'GET',
      url,
      headers: Object.fromEntries(headers),
    });
    const passed = answer.headers.filter(
      ([name]) => !/^(?:content-length|connection|transfer-encoding|keep-alive)$/i.test(name),
    );
    response.writeHead(answer.status, passed.flat());
    response.end(answer.status === 200 && answer.body === '' ? '<!doctype html><title>A page</title>' : answer.body);
  });
}

/** What the page itself sees of an answer to it. */
async function fetched(path: string, method: string, headers: { readonly [name: string]: string }) {
  return page.evaluate(
    async ([target, how, sent]) => {
      const answer = await fetch(target, { method: how, headers: sent });
      return { status: answer.status, reasons: (answer.headers.get('x-stepgate-reasons') ?? '').split(',') };
    },
    [path, method, headers] as const,
  );
}

async function asAnn(): Promise<{ readonly [name: string]: string }> {
  const token = await idp.sign({ sub: 'ann', jti: crypto.randomUUID() }, 5);
  return { authorization: `Bearer ${token}`, 'x-stepgate-device': TRAITS };
}

function callsSince(): readonly string[] {
  const since = calls;
  calls = [];
  return since.filter((call) => !call.endsWith('/favicon.ico'));
}

test('Chromium registers a key after a step-up, proves it again when the cookie is gone, and ends the session when told to', async () => {
  expect(await fetched('/vault', 'GET', await asAnn())).toMatchObject({ status: 401 });
  callsSince();

  const proof = await idp.proof('ann', 5);
  expect(await fetched('/pay', 'POST', { ...(await asAnn()), 'x-step-up-token': proof })).toMatchObject({
    status: 200,
  });
  const boundCookies = async () => (await context.cookies()).filter(({ name }) => name === BOUND_COOKIE);
  await expect.poll(boundCookies, { timeout: 20_000 }).toHaveLength(1);
  expect(callsSince()).toEqual(['POST /pay', `POST ${REGISTER_PATH}`]);
  const seen = await fetched('/vault', 'GET', await asAnn());
  expect(seen.status).toBe(200);
  expect(seen.reasons).toContain('bound');

  callsSince();
  await context.clearCookies({ name: BOUND_COOKIE });
  expect(await fetched('/vault', 'GET', await asAnn())).toMatchObject({ status: 200 });
  // With the challenge that came with the registration: one call.
  expect(callsSince()).toEqual([`POST ${REFRESH_PATH}`, 'GET /vault']);

  // A page load waits for the refresh as well.
  await context.clearCookies({ name: BOUND_COOKIE });
  await page.goto('/');
  expect(callsSince()).toEqual([`POST ${REFRESH_PATH}`, 'GET /']);

  const revoked = await fetch(`${serviceUrl}/v1/subjects/ann/devices`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${KEY}` },
  });
  expect(revoked.status).toBe(204);
  await context.clearCookies({ name: BOUND_COOKIE });
  expect(await fetched('/vault', 'GET', await asAnn())).toMatchObject({ status: 401 });
  expect(callsSince()).toEqual([`POST ${REFRESH_PATH}`, 'GET /vault']);
  expect(await fetched('/vault', 'GET', await asAnn())).toMatchObject({ status: 401 });
  expect(callsSince()).toEqual(['GET /vault']);
}, 120_000);
