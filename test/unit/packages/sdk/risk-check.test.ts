import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createStepgateClient, type StepgateClientOptions } from '../../../../packages/sdk/src/client.ts';
import { proofsByIssuers } from '../../../../packages/sdk/src/proofs.ts';
import { issuer } from '../../../support/issuer.ts';
import { expressShop, honoShop, type Shop, type ShopOptions } from '../../../support/middleware/shops.ts';
import { send } from '../../../support/servers/http.ts';
import { FAULTS, standIn } from '../../../support/servers/stand-in.ts';
import { KEY, type Workshop, workshop } from '../../../support/servers/stepgate.ts';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

const looseBody = z.looseObject({ subject: z.string().nullable(), ip: z.string().nullable() });

const RULES = {
  version: 1,
  actions: { checkout: {}, account: {}, feed: {} },
  trust: { days: 30, on_step_up: true },
  rules: [
    {
      id: 'large',
      when: { action: 'checkout', 'context.amount': { gte: 1000 } },
      then: { decision: 'step-up', acr_values: ['urn:stepgate:su'], max_age: 300, reason: 'large_order' },
    },
    {
      id: 'account',
      when: { action: 'account', 'subject.id': 'ann' },
      then: { decision: 'step-up', reason: 'account_guarded' },
    },
    { id: 'root', when: { 'subject.id': 'root' }, then: { decision: 'deny', reason: 'root_refused' } },
  ],
};

const ALLOWED = {
  id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  decision: 'allow',
  score: 0,
  level: 'low',
  reasons: [],
  rule: null,
  signals: {},
  degraded: [],
  dry_run: { decision: 'allow', rules: [] },
  rules_revision: 'sha256-0',
  latency_ms: 1,
};

let shop: Workshop;

beforeAll(async () => {
  shop = await workshop();
});
beforeEach(() => writeFile(join(shop.dir, 'default.json'), JSON.stringify(RULES)));
afterEach(() => shop.tidy());
afterAll(() => shop.close());

describe.each([
  ['Hono', honoShop],
  ['Express', expressShop],
])('riskCheck() for %s', (_name, open) => {
  /** A shop in front of `stepgate`, or of a real one. */
  async function openShop(more: Partial<ShopOptions['risk']> = {}, client: Partial<StepgateClientOptions> = {}) {
    const url = client.url ?? (await shop.start({ GEO_DATA: 'none' })).server.url;
    const asking = createStepgateClient({ key: KEY, timeoutMs: 30_000, ...client, url });
    const proofs = proofsByIssuers({ issuers: [] });
    const opened = await open({ risk: { client: asking, ...more }, proof: { proofs } });
    shop.onTidy(opened.stop);
    return opened;
  }

  /** A shop, and the bodies of the checks that it sends to a real Stepgate. */
  async function tappedShop(more: Partial<ShopOptions['risk']> = {}, environment: NodeJS.ProcessEnv = {}) {
    const { server } = await shop.start({ GEO_DATA: 'none', ...environment });
    const sent: z.infer<typeof looseBody>[] = [];
    const tap = async (request: Request): Promise<Response> => {
      sent.push(looseBody.parse(await request.clone().json()));
      return fetch(request);
    };
    return { sent, opened: await openShop(more, { url: server.url, fetch: tap }) };
  }

  const order = (opened: Shop, body: object, headers: Record<string, string> = {}) =>
    fetch(`${opened.url}/checkout`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', 'User-Agent': CHROME, 'X-User': 'ann', ...headers },
      body: JSON.stringify(body),
    });

  test('riskCheck() lets an allowed request on: the handler has the decision and reads the body again', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 10, note: 'as a gift' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      failed: false,
      decision: 'allow',
      order: { amount: 10, note: 'as a gift' },
    });
  });

  test('riskCheck() answers a step-up with the challenge of RFC 9470 and a problem document, and never calls the handler', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 1000 });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(
      /^Bearer error="insufficient_user_authentication", .*acr_values="urn:stepgate:su", max_age="300"$/,
    );
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({
      status: 401,
      code: 'step_up_required',
      acr_values: ['urn:stepgate:su'],
      max_age: 300,
      check: expect.any(String),
    });
    expect(opened.served).toEqual([]);
  });

  test('riskCheck() answers a deny with 403 and says no reason to the client', async () => {
    const opened = await openShop();
    const response = await order(opened, { amount: 10 }, { 'X-User': 'root' });
    expect(response.status).toBe(403);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ status: 403, code: 'access_denied' });
    expect(text).not.toContain('root_refused');
    expect(opened.served).toEqual([]);
  });

  test.each(
    Object.entries(FAULTS).flatMap(([why, faults]) =>
      Object.entries(faults).map(([what, answer]) => [what, why, answer] as const),
    ),
  )('riskCheck() with a Stepgate that %s does as onFailure says (%s)', async (_what, why, answer) => {
    const stand = await standIn(answer);
    shop.onTidy(stand.stop);
    const timeoutMs = why === 'timeout' ? 50 : 10_000;
    const statuses: number[] = [];
    for (const onFailure of [undefined, 'deny', 'allow'] as const) {
      const opened = await openShop({}, { url: stand.url, timeoutMs, ...(onFailure !== undefined && { onFailure }) });
      const response = await order(opened, { amount: 10 });
      statuses.push(response.status);
      if (onFailure === undefined) {
        expect(response.headers.get('www-authenticate')).toContain('insufficient_user_authentication');
      }
      if (onFailure === 'allow') expect(await response.json()).toMatchObject({ failed: true, decision: 'allow' });
    }
    expect(statuses).toEqual([401, 403, 200]);
  });

  test('riskCheck() with a wrong key ends in the error handler of the app, even where failures are allowed', async () => {
    const opened = await openShop({}, { key: 'not-the-key-of-anybody', onFailure: 'allow' });
    expect((await order(opened, { amount: 10 })).status).toBe(500);
    expect(opened.errors).toMatchObject([{ code: 'unauthorized' }]);
    expect(opened.served).toEqual([]);
  });

  test('riskCheck() tells Stepgate who asks and what the client shows of itself', async () => {
    const { opened, sent } = await tappedShop();
    await order(
      opened,
      { amount: 10 },
      {
        'X-Session': 's-1',
        'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184',
        'X-Stepgate-Device-Proof': 'a.b.c',
        'X-Step-Up-Token': 'not.a.token',
        'Sec-CH-UA-Platform': '"Windows"',
        Cookie: '__Host-stepgate-device=eyJhbGciOi; theme=dark',
      },
    );
    expect(sent).toMatchObject([
      {
        action: 'checkout',
        subject: 'ann',
        session: 's-1',
        ip: '127.0.0.1',
        user_agent: CHROME,
        client_hints: { brands: null, platform: '"Windows"', mobile: null },
        device: { token: 'eyJhbGciOi', key_proof: { jws: 'a.b.c', method: 'POST', path: '/checkout' } },
        headers: { 'x-stepgate-device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' },
        step_up_token: 'not.a.token',
        context: { amount: 10 },
      },
    ]);
  });

  test('riskCheck() takes nothing from headers that a client made up to pass for the engine or a gateway', async () => {
    const { opened, sent } = await tappedShop();
    const response = await order(
      opened,
      { amount: 10 },
      {
        'X-User': 'root',
        'X-Stepgate-Decision': 'allow',
        'X-Stepgate-Subject': 'ann',
        'X-Stepgate-Key': KEY,
        'X-Stepgate-Action': 'catalogue.browse',
        'X-Forwarded-For': '8.8.8.8',
        Forwarded: 'for=8.8.4.4',
        'CF-Connecting-IP': '1.1.1.1',
        'X-Real-IP': '9.9.9.9',
        'X-HTTP-Method-Override': 'GET',
      },
    );
    expect(response.status).toBe(403);
    expect(sent).toMatchObject([{ subject: 'root', action: 'checkout', ip: '127.0.0.1' }]);
  });

  /** @see https://github.com/honojs/hono/issues/3723 a peer as an IPv4-mapped address is the IPv4 address */
  test.each([
    [{ trustedProxies: '127.0.0.0/8' }, { 'X-Forwarded-For': '8.8.8.8, 81.2.69.160' }, '81.2.69.160'],
    [
      { trustedProxies: '127.0.0.0/8, 10.0.0.0/8' },
      { 'X-Forwarded-For': '8.8.8.8, 81.2.69.160, 10.0.0.7' },
      '81.2.69.160',
    ],
    [{ trustedProxies: '127.0.0.0/8' }, { 'X-Forwarded-For': '81.2.69.160, nonsense' }, null],
    [{ trustedProxies: '127.0.0.0/8' }, {}, null],
    [{ trustedProxies: '10.0.0.0/8' }, { 'X-Forwarded-For': '81.2.69.160' }, '127.0.0.1'],
    [{ trustedProxies: 'hops:1' }, { 'X-Forwarded-For': '8.8.8.8, 81.2.69.160' }, '81.2.69.160'],
    [
      { trustedProxies: 'hops:1', header: 'cf-connecting-ip' as const },
      { 'CF-Connecting-IP': '81.2.69.160', 'X-Forwarded-For': '8.8.8.8' },
      '81.2.69.160',
    ],
  ])('riskCheck() with %o takes %o for the address %s', async (clientAddress, headers, ip) => {
    const { opened, sent } = await tappedShop({ clientAddress });
    await order(opened, { amount: 10 }, headers as Record<string, string>);
    expect(sent).toMatchObject([{ ip }]);
  });

  test('riskCheck() goes through a step-up: the same order with the proof is taken, the device is trusted and known again', async () => {
    const idp = issuer();
    const { opened, sent } = await tappedShop({}, { STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) });
    const body = { amount: 1000, note: 'the original basket' };
    const device = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };
    expect((await order(opened, body, device)).status).toBe(401);

    const taken = await order(opened, body, { ...device, 'X-Step-Up-Token': await idp.proof('ann') });
    expect(taken.status).toBe(200);
    expect(await taken.json()).toMatchObject({ decision: 'allow', order: body });
    const [cookie = ''] = taken.headers.getSetCookie();
    expect(cookie).toMatch(
      /^__Host-stepgate-device=[\w.-]+; Max-Age=25\d{5}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );

    const [pair = ''] = cookie.split(';');
    await order(opened, { amount: 10 }, { ...device, Cookie: pair });
    expect(sent.at(-1)).toMatchObject({ device: { token: pair.split('=')[1] } });

    const stolen = await order(opened, body, {
      ...device,
      'X-User': 'mallory',
      'X-Step-Up-Token': await idp.proof('ann'),
    });
    expect(stolen.status).toBe(401);
    expect(stolen.headers.get('www-authenticate')).toContain('subject_mismatch');
  });

  test('riskCheck() sets the next cookie of a device that its visit hands out, without any step-up', async () => {
    const next = { id: 'd-1', token: 'next.device.token', expires_at: new Date(Date.now() + 86_400_000).toISOString() };
    const answering = async () => Response.json({ ...ALLOWED, device: next });
    const opened = await openShop({}, { url: 'http://stepgate.internal', fetch: answering });
    const { status, headers } = await order(opened, { amount: 10 }, { Cookie: '__Host-stepgate-device=held' });
    expect(status).toBe(200);
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-stepgate-device=next\.device\.token; Max-Age=86\d{3}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
      ),
    ]);
  });

  test('riskCheck() adds the cookie of the device to those of a handler that answers by itself', async () => {
    const idp = issuer();
    const { opened } = await tappedShop({}, { STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) });
    const response = await fetch(`${opened.url}/account`, {
      headers: {
        'X-User': 'ann',
        'User-Agent': CHROME,
        'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184',
        Cookie: `__Host-stepgate-su=${await idp.proof('ann')}`,
      },
    });
    expect(await response.text()).toBe('account of ann');
    const names = response.headers.getSetCookie().map((line) => line.split('=')[0]);
    expect(names.sort()).toEqual(['__Host-stepgate-device', 'theme']);
  });

  test('riskCheck() looks for the token only where it is told to', async () => {
    const idp = issuer();
    const proof = await idp.proof('ann');
    const places = {
      header: { 'X-Step-Up-Token': proof },
      cookie: { Cookie: `__Host-stepgate-su=${proof}` },
      bearer: { Authorization: `Bearer ${proof}` },
    };
    for (const source of ['header', 'cookie', 'bearer'] as const) {
      const { opened } = await tappedShop({ token: [source] }, { STEP_UP_ISSUERS: JSON.stringify([idp.entry()]) });
      const statuses = await Promise.all(
        Object.entries(places).map(async ([place, headers]) => [
          place,
          (await order(opened, { amount: 1000 }, headers as Record<string, string>)).status,
        ]),
      );
      expect(Object.fromEntries(statuses)).toEqual({ header: 401, cookie: 401, bearer: 401, [source]: 200 });
      await shop.tidy();
    }
  });

  describe('with a step-up page', () => {
    const stepUpPage = { url: 'https://login.shop.example/step-up?flow=1', origin: 'https://shop.example' };
    const visitAccount = async (headers: Record<string, string>) => {
      const opened = await openShop({ stepUpPage });
      return send(`${opened.url}/account?tab=orders`, {
        headers: { 'X-User': 'ann', 'User-Agent': CHROME, ...headers },
      });
    };

    test('riskCheck() with a step-up page sends a navigation there, with the way back on the origin that was set, whatever host the client names', async () => {
      const { status, headers } = await visitAccount({ Accept: 'text/html', 'X-Forwarded-Host': 'evil.example' });
      expect(status).toBe(302);
      const location = new URL(headers.location ?? '');
      expect(`${location.origin}${location.pathname}`).toBe('https://login.shop.example/step-up');
      expect(Object.fromEntries(location.searchParams)).toEqual({
        flow: '1',
        max_age: '600',
        return_to: 'https://shop.example/account?tab=orders',
      });
    });

    test('riskCheck() with a step-up page answers a call by a script 401', async () => {
      const statuses = [{ Accept: 'application/json' }, { Accept: 'text/html', 'Sec-Fetch-Mode': 'cors' }].map(
        async (headers) => (await visitAccount(headers as Record<string, string>)).status,
      );
      expect(await Promise.all(statuses)).toEqual([401, 401]);
    });
  });

  test('riskCheck() leaves an answer that is streamed as it is', async () => {
    const opened = await openShop();
    const response = await fetch(`${opened.url}/feed`, { headers: { 'User-Agent': CHROME } });
    expect(await response.text()).toBe('one two three');
  });

  test('riskCheck() decides about many requests at once, each for itself', async () => {
    const opened = await openShop();
    const users = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 'root' : `user-${i}`));
    const statuses = await Promise.all(
      users.map(
        async (user, i) => (await order(opened, { amount: i % 2 === 0 ? 10 : 1000 }, { 'X-User': user })).status,
      ),
    );
    expect(statuses).toEqual(users.map((user, i) => (user === 'root' ? 403 : i % 2 === 0 ? 200 : 401)));
  });

  describe('while Stepgate is away', () => {
    async function stranded(more: Partial<StepgateClientOptions> = {}) {
      const gone = await standIn(() => undefined);
      await gone.stop();
      const idp = issuer();
      const proofs = proofsByIssuers({ issuers: [idp.entry({ max_age: 120 })] });
      return { token: idp.proof, opened: await openShop({ proofs }, { url: gone.url, ...more }) };
    }

    /** @see https://github.com/nodejs/node/issues/60617 a reset connection must not mean an unjudged request */
    test('A proof that this process can check meets the step-up that stands in', async () => {
      const { token, opened } = await stranded();
      const challenged = await order(opened, { amount: 10 });
      expect(challenged.status).toBe(401);
      expect(challenged.headers.get('www-authenticate')).toContain('max_age="120"');
      const taken = await order(opened, { amount: 10 }, { 'X-Step-Up-Token': await token('ann') });
      expect(await taken.json()).toMatchObject({ failed: true, decision: 'allow' });
    });

    test('Somebody else’s proof, or one of nobody, meets nothing', async () => {
      const { token, opened } = await stranded();
      const proof = { 'X-Step-Up-Token': await token('ann') };
      expect((await order(opened, { amount: 10 }, { ...proof, 'X-User': 'mallory' })).status).toBe(401);
      expect((await order(opened, { amount: 10 }, { ...proof, 'X-User': '' })).status).toBe(401);
    });

    test('No proof turns a deny that stands in', async () => {
      const { token, opened } = await stranded({ onFailure: 'deny' });
      expect((await order(opened, { amount: 10 }, { 'X-Step-Up-Token': await token('ann') })).status).toBe(403);
    });
  });
});
