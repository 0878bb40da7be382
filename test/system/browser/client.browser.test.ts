import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { StepUpRequirement } from '../../../packages/browser/src/challenge.ts';
import type { DeviceReport } from '../../../packages/browser/src/collect.ts';
import { createStepgateClient } from '../../../packages/sdk/src/client.ts';
import { riskCheck } from '../../../packages/sdk/src/hono.ts';
import { bundleClient, writeScripts } from '../../../scripts/build-client.ts';
import { readDeviceHeader } from '../../../src/contract/device-header.ts';
import { chromiumOptions, launchChromium } from '../../support/browser/chromium.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';
import { AUDIENCE, ISSUER, type SigningKey, sign, signingKey } from '../../support/step-up/tokens.ts';

declare const Stepgate: typeof import('../../../packages/browser/src/script.ts');

/** What the page's script keeps between two visits of a test. */
declare global {
  interface Window {
    asked: StepUpRequirement[];
    endStepUp: ((outcome: string | boolean) => void) | null;
    shopFetch: (input: string, init?: RequestInit) => Promise<Response>;
  }
}

const RULES = {
  version: 1,
  actions: { browse: {} },
  rules: [
    stepUp('pay', { 'context.amount': { gte: 100 } }, { max_age: 300 }),
    stepUp('once', {}, { max_age: 300, single_use: true }),
    stepUp('vault', {}, { acr_values: ['urn:nobody:has'], max_age: 60 }),
  ],
};

function stepUp(action: string, when: object, requirement: object): object {
  return {
    id: action,
    when: { action, ...when },
    then: { decision: 'step-up', ...requirement, reason: `${action}_guarded` },
  };
}

let stepgate: Workshop;
let stepgateUrl: string;
let key: SigningKey;
let browser: Browser;
let shop: Site;
let api: Site;
let thief: Site;

/** An application that listens, and the requests that it got. */
interface Site {
  readonly app: Hono;
  readonly url: string;
  readonly seen: { readonly method: string; readonly path: string; readonly headers: Headers }[];
  close(): void;
}

async function site(): Promise<Site> {
  const seen: { method: string; path: string; headers: Headers }[] = [];
  const app = new Hono();
  app.use(async (c, next) => {
    seen.push({ method: c.req.method, path: c.req.path, headers: new Headers(c.req.raw.headers) });
    await next();
  });
  const server: ServerType = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { app, seen, url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

const PAGE = (head: string): string => `<!doctype html><html lang="en"><title>Shop</title><body>
<p id="state">open</p>${head}
<script>
  window.asked = [];
  window.endStepUp = null;
  const onStepUp = (requirement) => new Promise((resolve) => { window.asked.push(requirement); window.endStepUp = resolve; });
  window.shopFetch = window.Stepgate?.stepUpFetch({ onStepUp, origins: ['API'] }) ?? window.fetch.bind(window);
  document.getElementById('state').textContent = 'ready';
</script></body></html>`;

beforeAll(async () => {
  writeScripts(await bundleClient());
  key = await signingKey();
  stepgate = await workshop();
  const issuer = { issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [key.jwk] }, algorithms: ['ES256'] };
  await writeFile(join(stepgate.dir, 'default.json'), JSON.stringify(RULES));
  const { server } = await stepgate.start({ STEP_UP_ISSUERS: JSON.stringify([issuer]) });
  stepgateUrl = server.url;
  const client = createStepgateClient({ url: stepgateUrl, key: KEY, timeoutMs: 20_000 });

  [shop, api, thief] = await Promise.all([site(), site(), site()]);
  const page = (head: string) => PAGE(head).replace('API', api.url);
  shop.app.get('/', (c) => c.html(page(`<script src="${stepgateUrl}/client.js"></script>`)));
  shop.app.get('/module', (c) =>
    c.html(
      page(`<script type="module">
      import { collectDevice } from '${stepgateUrl}/client.mjs';
      window.collected = collectDevice({ timeoutMs: 20000 });
    </script>`),
    ),
  );
  shop.app.get('/strict', (c) =>
    c.html(page(`<script src="${stepgateUrl}/client.js"></script>`), 200, {
      'Content-Security-Policy': `default-src 'none'; script-src ${stepgateUrl}; require-trusted-types-for 'script'`,
    }),
  );
  for (const { app } of [shop, api]) {
    app.use('/open-api/*', cors({ origin: shop.url, exposeHeaders: ['WWW-Authenticate'] }));
    app.use('/mute-api/*', cors({ origin: shop.url }));
    const guard = riskCheck({
      client,
      action: (c) => c.req.path.split('/').at(-1) ?? '',
      subject: () => 'ann',
      context: (c) => ({ amount: Number(c.req.query('amount') ?? 0) }),
    });
    app.post('*', guard, async (c) => {
      const decision = c.get('stepgate');
      const body = Buffer.from(await c.req.arrayBuffer());
      return c.json({
        signal: decision.failed ? null : decision.signals.device,
        bytes: body.length,
        hash: c.req.header('content-type')?.startsWith('multipart/')
          ? null
          : createHash('sha256').update(body).digest('hex'),
        hasFile: body.includes('filename="receipt.pdf"'),
      });
    });
  }
  shop.app.get('/leave', (c) => c.redirect(`${thief.url}/caught`, 307));
  shop.app.get('/inside', (c) => c.redirect('/open', 307));
  shop.app.get('/open', (c) => c.text('open'));
  thief.app.use('*', cors({ origin: '*', allowHeaders: ['X-Stepgate-Device', 'X-Step-Up-Token'] }));
  thief.app.all('*', (c) =>
    c.text('caught', 401, { 'WWW-Authenticate': 'Bearer error="insufficient_user_authentication", max_age="1"' }),
  );
  browser = await launchChromium(['--host-resolver-rules=MAP *.example 127.0.0.1']);
});

afterAll(async () => {
  await browser?.close();
  for (const { close } of [shop, api, thief]) close();
  await stepgate?.close();
});

const token = (): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  return sign(key, { sub: 'ann', iat: now, auth_time: now, exp: now + 300, jti: crypto.randomUUID() });
};

async function visit(url: string, prepare?: (page: Page) => Promise<unknown>): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await prepare?.(page);
  await page.goto(url);
  return page;
}

const agentOf = (page: Page): Promise<string> => page.evaluate(() => navigator.userAgent);

/** Two cores and many tests: a limit that a loaded machine keeps too. */
const collected = (where: Page | Frame): Promise<DeviceReport> =>
  where.evaluate(() => Stepgate.collectDevice({ timeoutMs: 60_000, detectBot: Stepgate.detectBot }));

describe('collectDevice in Chromium', () => {
  test('collectDevice in Chromium tells the device, by a header that the engine reads', async () => {
    const page = await visit(shop.url);
    const device = await collected(page);
    if (device.state !== 'collected') throw new Error(device.why);
    expect(device.fingerprint).toMatch(/^[0-9a-f]{32}$/);
    expect(Object.keys(device.components)).toEqual([
      'audio',
      'browser',
      'canvas',
      'fonts',
      'locale',
      'machine',
      'screen',
      'webgl',
    ]);
    for (const hash of Object.values(device.components)) expect(hash).toMatch(/^[0-9a-f]{4}$/);
    expect(device.bot).toBe(true);
    const { fingerprint, confidence, bot, components } = device;
    expect(readDeviceHeader(device.header)).toEqual({ fingerprint, confidence, bot, components });
    expect(device.header.length).toBeLessThan(200);
    await page.context().close();
  });

  test.each([
    [
      'one picture for everything',
      () => {
        HTMLCanvasElement.prototype.toDataURL = () => 'data:image/png;base64,AAAA';
      },
    ],
    [
      'another picture each time',
      () => {
        let n = 0;
        HTMLCanvasElement.prototype.toDataURL = () => `data:image/png;base64,${n++}`;
      },
    ],
    [
      'no context to draw in',
      () => {
        HTMLCanvasElement.prototype.getContext = () => null;
      },
    ],
    [
      'a word',
      () => {
        HTMLCanvasElement.prototype.toDataURL = () => 'data:,';
      },
    ],
  ] as const)(
    'collectDevice in Chromium leaves the canvas out where the browser hands out %s',
    async (_what, spoil) => {
      const page = await visit(shop.url, (opened) => opened.addInitScript(spoil));
      const device = await collected(page);
      if (device.state !== 'collected') throw new Error(device.why);
      expect(Object.keys(device.components)).not.toContain('canvas');
      expect(Object.keys(device.components)).toContain('fonts');
      expect(device.header).not.toContain('c.canvas');
      await page.context().close();
    },
  );

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/698 */
  test('collectDevice in Chromium gives the same after a reload, in a private window, as a module, and on an insecure page of the same site', async () => {
    const profile = await mkdtemp(join(tmpdir(), 'stepgate-profile-'));
    const kept = await browser.browserType().launchPersistentContext(profile, chromiumOptions());
    const lasting = await kept.newPage();
    await lasting.goto(shop.url);
    const before = await collected(lasting);
    await lasting.reload();
    expect(await collected(lasting)).toEqual(before);
    await kept.close();
    await rm(profile, { recursive: true, force: true });

    const incognito = await visit(shop.url);
    expect(await collected(incognito)).toEqual(before);
    await incognito.goto(`${shop.url}/module`);
    const asModule = await incognito.evaluate(
      () => (window as unknown as { collected: Promise<DeviceReport> }).collected,
    );
    expect(asModule).toMatchObject({ fingerprint: before.state === 'collected' && before.fingerprint });

    await incognito.goto(shop.url.replace('127.0.0.1', 'insecure.example'));
    expect(await incognito.evaluate(() => isSecureContext)).toBe(false);
    const insecure = await collected(incognito);
    expect(insecure).toMatchObject({ fingerprint: before.state === 'collected' && before.fingerprint });
    await incognito.context().close();
  });

  test('collectDevice in Chromium sends nothing and stores nothing', async () => {
    const requests: string[] = [];
    const page = await visit(shop.url);
    // FingerprintJS tells its maker of one load in a thousand where it is not told to be silent.
    await page.evaluate(() => {
      Math.random = () => 0;
    });
    page.on('request', (request) => requests.push(request.url()));
    await collected(page);
    await page.waitForTimeout(200);
    expect(requests.filter((url) => !url.startsWith('data:') && !url.startsWith('about:'))).toEqual([]);
    expect(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])).toEqual([
      '',
      0,
      0,
    ]);
    expect(await page.evaluate(() => document.querySelectorAll('iframe').length)).toBe(0);
    await page.context().close();
  });

  test('collectDevice in Chromium gives the same in a frame of another site, and tells a sandboxed frame by its components', async () => {
    const page = await visit(shop.url);
    const top = await collected(page);
    if (top.state !== 'collected') throw new Error(top.why);
    const framed = async (sandbox: string | null): Promise<DeviceReport> => {
      await page.evaluate(
        ([url = '', rights]) =>
          new Promise((resolve) => {
            const frame = document.createElement('iframe');
            if (typeof rights === 'string') frame.setAttribute('sandbox', rights);
            frame.src = url;
            frame.onload = resolve;
            document.body.append(frame);
          }),
        [shop.url.replace('127.0.0.1', 'localhost'), sandbox] as const,
      );
      const frame = page.frames().at(-1);
      if (frame === undefined) throw new Error('the frame is missing');
      return collected(frame);
    };
    expect(await framed(null)).toMatchObject({ fingerprint: top.fingerprint });
    const sandboxed = await framed('allow-scripts');
    if (sandboxed.state !== 'collected') throw new Error(sandboxed.why);
    const { screen: _emulated, fonts: _blocked, ...shared } = top.components;
    expect(sandboxed.components).toMatchObject(shared);
    expect(sandboxed.components).not.toHaveProperty('fonts');
    await page.context().close();
  });

  test('collectDevice in Chromium works under a strict Content-Security-Policy, without what that blocks', async () => {
    const page = await visit(`${shop.url}/strict`);
    const device = await collected(page);
    expect(device).toMatchObject({ state: 'collected', components: { canvas: expect.any(String) } });
    await page.context().close();
  });

  test.each<[string, () => void, readonly string[]]>([
    [
      'a canvas that an extension forbids',
      () => {
        HTMLCanvasElement.prototype.getContext = () => {
          throw new DOMException('blocked', 'SecurityError');
        };
      },
      ['canvas', 'webgl'],
    ],
    [
      'getters that throw',
      () => {
        for (const name of ['hardwareConcurrency', 'languages', 'language', 'userLanguage']) {
          Object.defineProperty(navigator, name, {
            get: () => {
              throw new Error('no');
            },
          });
        }
      },
      ['locale', 'machine'],
    ],
    [
      'no audio at all',
      () => {
        Object.defineProperty(window, 'OfflineAudioContext', {
          value: class {
            constructor() {
              throw new Error('no');
            }
          },
        });
      },
      ['audio'],
    ],
  ])(
    'collectDevice in Chromium goes on with %s, and says nothing of what it could not see',
    async (_case, block, missing) => {
      const page = await visit(shop.url, (opened) => opened.addInitScript(block));
      const device = await collected(page);
      if (device.state !== 'collected') throw new Error(device.why);
      for (const name of missing) expect(device.components).not.toHaveProperty(name);
      expect(Object.keys(device.components).length).toBe(8 - missing.length);
      expect(await collected(page)).toEqual(device);
      await page.context().close();
    },
  );

  test('collectDevice in Chromium is not shaken by pictures with noise: what differs each time is no trait', async () => {
    const page = await visit(shop.url, (opened) =>
      opened.addInitScript(() => {
        const draw = HTMLCanvasElement.prototype.toDataURL;
        HTMLCanvasElement.prototype.toDataURL = function (...args) {
          return `${draw.apply(this, args)}${Math.random()}`;
        };
      }),
    );
    expect(await collected(page)).toEqual(await collected(page));
    await page.context().close();
  });

  test('collectDevice in Chromium says "blocked" where most of it is, and makes nothing up', async () => {
    const page = await visit(shop.url, (opened) =>
      opened.addInitScript(() => {
        const no = (): never => {
          throw new Error('no');
        };
        HTMLCanvasElement.prototype.getContext = no;
        for (const name of ['hardwareConcurrency', 'languages', 'language', 'vendor', 'platform']) {
          Object.defineProperty(navigator, name, { get: no });
        }
        Object.defineProperty(screen, 'width', { get: no });
        Object.defineProperty(window, 'OfflineAudioContext', { get: no });
      }),
    );
    expect(await collected(page)).toEqual({ state: 'absent', why: 'blocked', header: null });
    await page.context().close();
  });

  test('collectDevice in Chromium says "timed_out" where a source never answers, and comes back in time', async () => {
    const page = await visit(shop.url, (opened) =>
      opened.addInitScript(() => {
        Object.defineProperty(navigator, 'userAgentData', {
          value: { brands: [], mobile: false, platform: '', getHighEntropyValues: () => new Promise(() => undefined) },
        });
      }),
    );
    expect(await page.evaluate(() => Stepgate.collectDevice({ timeoutMs: 500 }))).toEqual({
      state: 'absent',
      why: 'timed_out',
      header: null,
    });
    await page.context().close();
  });

  test('collectDevice in Chromium keeps the fingerprint when the detector of bots fails, and does not guess', async () => {
    const page = await visit(shop.url);
    const device = await page.evaluate(() =>
      Stepgate.collectDevice({ timeoutMs: 60_000, detectBot: () => Promise.reject(new Error('no')) }),
    );
    expect(device).toMatchObject({ state: 'collected', bot: null });
    await page.context().close();
  });

  /**
   * Another monitor, power saving, a flight, the next version of the browser's name: none of them makes another device.
   *
   * @see https://github.com/rappasoft/laravel-authentication-log/issues/40
   * @see https://github.com/fingerprintjs/fingerprintjs/issues/809
   * @see https://github.com/fingerprintjs/fingerprintjs/issues/725
   */
  test('collectDevice in Chromium keeps the fingerprint on another monitor, in another time zone and with other display settings', async () => {
    const home = await visit(shop.url);
    const before = await collected(home);
    const context = await browser.newContext({
      screen: { width: 2560, height: 1440 },
      viewport: { width: 1400, height: 900 },
      deviceScaleFactor: 2,
      timezoneId: 'Asia/Tokyo',
      userAgent: (await agentOf(home)).replace(/(Chrome\/)\d+/, '$1999'),
      colorScheme: 'dark',
      reducedMotion: 'reduce',
      forcedColors: 'active',
    });
    await home.context().close();
    const away = await context.newPage();
    await away.goto(shop.url);
    const after = await collected(away);
    if (before.state !== 'collected' || after.state !== 'collected') throw new Error('a device is missing');
    expect(after.fingerprint).toBe(before.fingerprint);
    const changed = Object.keys(before.components).filter((name) => before.components[name] !== after.components[name]);
    expect(changed).toEqual(['locale', 'screen']);
    await context.close();
  });

  /**
   * Equal browsers on equal machines are equal here: nothing of the profile goes in, so nothing may be trusted for it.
   *
   * @see https://github.com/fingerprintjs/fingerprintjs/issues/539
   * @see https://github.com/fingerprintjs/fingerprintjs/issues/913
   */
  test('collectDevice in Chromium tells two people with equal browsers by the same fingerprint', async () => {
    const [ann, bob] = await Promise.all([visit(shop.url), visit(shop.url)]);
    expect(await collected(ann)).toEqual(await collected(bob));
    await Promise.all([ann.context().close(), bob.context().close()]);
  });
});

describe('stepUpFetch in Chromium, in front of a real Stepgate', () => {
  const asked = (page: Page): Promise<StepUpRequirement[]> => page.evaluate(() => window.asked);
  const untilAsked = (page: Page, times: number) =>
    vi.waitFor(async () => expect(await asked(page)).toHaveLength(times), { timeout: 25_000 });
  const end = async (page: Page, outcome: string | boolean): Promise<void> => {
    await page.evaluate((given) => window.endStepUp?.(given), outcome);
  };

  test('stepUpFetch in Chromium, in front of a real Stepgate shows the device with each request', async () => {
    const page = await visit(shop.url);
    const answer = await page.evaluate(async () => (await window.shopFetch('/browse', { method: 'POST' })).json());
    expect(answer.signal).toMatchObject({
      state: 'measured',
      facts: { 'device.state': 'new', 'device.confidence': 0.7 },
    });
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate steps up once for parallel uploads and repeats each with its body', async () => {
    const page = await visit(shop.url);
    const answers = page.evaluate(async () => {
      const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
      const form = new FormData();
      form.set('file', new File([bytes], 'receipt.pdf'));
      const bodies: BodyInit[] = [bytes, new Blob([bytes]), form, 'text'];
      const responses = await Promise.all(
        bodies.map((body) => window.shopFetch('/pay?amount=500', { method: 'POST', body })),
      );
      return Promise.all(responses.map(async (response) => ({ status: response.status, ...(await response.json()) })));
    });
    await untilAsked(page, 1);
    expect(await asked(page)).toMatchObject([{ maxAge: 300, acrValues: [] }]);
    await end(page, await token());
    const bytes = createHash('sha256')
      .update(Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251))
      .digest('hex');
    const text = createHash('sha256').update('text').digest('hex');
    expect(await answers).toMatchObject([
      { status: 200, hash: bytes },
      { status: 200, hash: bytes },
      { status: 200, hasFile: true },
      { status: 200, hash: text },
    ]);
    expect(await asked(page)).toHaveLength(1);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate ends one upload by its signal and lets the other go on', async () => {
    const page = await visit(shop.url);
    const answers = page.evaluate(async () => {
      const leaving = new AbortController();
      const left = window.shopFetch('/pay?amount=500', { method: 'POST', body: 'left', signal: leaving.signal });
      const stays = window.shopFetch('/pay?amount=500', { method: 'POST', body: 'stays' });
      while (window.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      leaving.abort();
      return [
        await left.then(
          () => 'answered',
          (error: Error) => error.name,
        ),
        (await stays).status,
      ];
    });
    await untilAsked(page, 1);
    await page.waitForTimeout(100);
    await end(page, await token());
    expect(await answers).toEqual(['AbortError', 200]);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate hands the challenge over when the person declines', async () => {
    const page = await visit(shop.url);
    const answer = page.evaluate(async () => {
      const response = await window.shopFetch('/pay?amount=500', { method: 'POST', body: 'x' });
      return [response.status, response.headers.get('WWW-Authenticate')];
    });
    await untilAsked(page, 1);
    await end(page, false);
    expect(await answer).toEqual([401, expect.stringContaining('insufficient_user_authentication')]);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate does not ask for ever what no proof can show', async () => {
    const page = await visit(shop.url);
    const answer = page.evaluate(async () => (await window.shopFetch('/vault', { method: 'POST' })).status);
    await untilAsked(page, 1);
    await end(page, await token());
    expect(await answer).toBe(401);
    expect(await asked(page)).toHaveLength(1);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate lets a single-use proof serve one request, and gives the other its challenge', async () => {
    const page = await visit(shop.url);
    const answers = page.evaluate(async () => {
      const responses = await Promise.all(
        ['a', 'b'].map((body) => window.shopFetch('/once', { method: 'POST', body })),
      );
      return responses.map(({ status }) => status);
    });
    await untilAsked(page, 1);
    // What counts once is asked for by each request; the same log-in twice proves nothing the second time.
    const proof = await token();
    await end(page, proof);
    await untilAsked(page, 2);
    await end(page, proof);
    expect((await answers).sort()).toEqual([200, 401]);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate sees a challenge of another origin that exposes it, and not of one that does not', async () => {
    const page = await visit(shop.url);
    const exposed = page.evaluate(
      async (url) => (await window.shopFetch(url, { method: 'POST', body: 'x' })).status,
      `${api.url}/open-api/pay?amount=500`,
    );
    await untilAsked(page, 1);
    await end(page, await token());
    expect(await exposed).toBe(200);
    const mute = await page.evaluate(
      async (url) => (await window.shopFetch(url, { method: 'POST', body: 'x' })).status,
      `${api.url}/mute-api/pay?amount=500`,
    );
    expect(mute).toBe(401);
    expect(await asked(page)).toHaveLength(1);
    await page.context().close();
  });

  test('stepUpFetch in Chromium, in front of a real Stepgate shows a foreign host nothing, neither asked nor by a redirect', async () => {
    const page = await visit(shop.url);
    const foreign = await page.evaluate(async (url) => (await window.shopFetch(url)).status, `${thief.url}/direct`);
    expect(foreign).toBe(401);
    const redirected = await page.evaluate(() =>
      window.shopFetch('/leave', { headers: { 'X-Step-Up-Token': 'secret' } }).then(
        ({ status }) => status,
        (error: Error) => error.name,
      ),
    );
    expect(redirected).toBe('TypeError');
    expect(thief.seen.map(({ path }) => path)).toEqual(['/direct']);
    for (const { headers } of thief.seen) expect([...headers.keys()].join()).not.toMatch(/stepgate|step-up/);
    expect(await page.evaluate(async () => (await window.shopFetch('/inside')).text())).toBe('open');
    expect(await asked(page)).toHaveLength(0);
    await page.context().close();
  });

  /**
   * No value of address and user agent stands in for the one that is missing.
   *
   * @see https://github.com/wp-slimstat/wp-slimstat/issues/210
   */
  test('stepUpFetch in Chromium, in front of a real Stepgate is missed by nobody where a content blocker takes the script away: the shop works, without claim and step-up', async () => {
    const page = await visit(shop.url, (opened) =>
      opened.route('**/client.js', (route) => route.abort('blockedbyclient')),
    );
    expect(await page.textContent('#state')).toBe('ready');
    const answers = await page.evaluate(async () => [
      (await (await window.shopFetch('/browse', { method: 'POST' })).json()).signal,
      (await window.shopFetch('/pay?amount=500', { method: 'POST' })).status,
    ]);
    expect(answers).toMatchObject([{ facts: { 'device.state': 'absent' } }, 401]);
    await page.context().close();
  });
});
