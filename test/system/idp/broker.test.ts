import { type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  advance,
  type Bank,
  closeDay,
  issuerEntry,
  keysAreHad,
  MAX_AGE,
  openBank,
  stopClock,
} from '../../support/idp/bank.ts';
import { API, type IdentityProvider, identityProvider, LOA2 } from '../../support/idp/provider.ts';
import { type Person, userAgent } from '../../support/idp/user-agent.ts';
import { KEY, type Workshop, workshop } from '../../support/servers/stepgate.ts';

const SITE = 'https://shop.bank.example';
const ALICE = { account: 'alice', methods: ['pwd', 'otp'] };
const HTML = 'text/html,application/xhtml+xml';

let shop: Workshop;
let idp: IdentityProvider;
let bank: Bank;

beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  stopClock();
  idp = await identityProvider({ pageOrigin: SITE });
  const entry = issuerEntry(idp, {
    client_id: 'shop',
    scope: 'openid pay',
    authorization_parameters: { resource: API },
  });
  bank = await openBank(shop, entry, { SITE_NAME: 'Bank & Sons', SESSION_COOKIE: 'session' });
  await keysAreHad(bank);
});
afterEach(() => closeDay(shop, idp));

interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly cookies: readonly string[];
  readonly body: string;
}

/** Not `fetch`, which says of itself in `Sec-Fetch-Mode` that it is no page load. */
function exchange(url: string, method: string, headers: OutgoingHttpHeaders, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method, headers: { ...headers, 'Content-Length': Buffer.byteLength(body) } },
      (answer) => {
        text(answer).then((content) => {
          const { statusCode: status = 0, headers: got } = answer;
          resolve({ status, location: got.location ?? null, cookies: got['set-cookie'] ?? [], body: content });
        }, reject);
      },
    );
    call.on('error', reject).end(body);
  });
}

/** A browser that keeps cookies by site, behind a gateway that asks Stepgate and hands `/.stepgate/` on to it. */
function browser() {
  const jars = new Map<string, Map<string, string>>();

  async function send(
    url: string,
    method = 'GET',
    body?: URLSearchParams | string,
    more: OutgoingHttpHeaders = {},
  ): Promise<Answer> {
    const { origin, pathname, search } = new URL(url);
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    const isOwn = pathname.startsWith('/.stepgate/');
    const gateway = {
      'X-Stepgate-Key': KEY,
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': new URL(SITE).host,
      'X-Forwarded-Method': method,
      'X-Forwarded-Uri': pathname + search,
      'X-Stepgate-Redirect': '1',
    };
    const target = origin !== SITE ? url : isOwn ? `${bank.url}${pathname}${search}` : `${bank.url}/forward-auth`;
    const answer = await exchange(
      target,
      origin !== SITE || isOwn ? method : 'GET',
      {
        Accept: HTML,
        'Accept-Language': 'en',
        'Sec-Fetch-Mode': 'navigate',
        Cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(body instanceof URLSearchParams && { 'Content-Type': 'application/x-www-form-urlencoded' }),
        ...(origin === SITE && gateway),
        ...more,
      },
      body?.toString(),
    );
    const { cookies } = answer;
    for (const line of cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      // As browsers do (RFC 6265bis, section 5.6).
      if (name.length + value.length > 4096) continue;
      if (value === '' || /Max-Age=0/.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }

  return {
    jars,
    send,
    /** Logs in to the application, which keeps its session in a cookie. */
    async logIn(person: Person) {
      const { accessToken } = await userAgent(idp, person).authorize();
      jars.set(SITE, new Map([['session', accessToken]]));
    },
    /** Follows redirects, fills in the provider's page as `person`, and ends where no redirect leads on. */
    async follow(url: string, person: Person): Promise<Answer & { readonly url: string }> {
      let at = url;
      for (let steps = 0; steps < 12; steps += 1) {
        let answer = await send(at);
        if (new URL(at).pathname.startsWith('/interaction/')) {
          const { asks } = JSON.parse(answer.body) as { asks: string[] };
          const entered = asks.filter((method) => person.methods.includes(method)).map((method) => ['method', method]);
          answer = await send(at, 'POST', new URLSearchParams([['account', person.account], ...entered]));
        }
        if (answer.location === null) return { ...answer, url: at };
        at = new URL(answer.location, at).href;
      }
      throw new Error(`no end of redirects at ${at}`);
    },
  };
}

const kindOf = ({ body }: Answer): string => /<h1>([^<]*)<\/h1>/.exec(body)?.[1] ?? '';

describe('a step-up in the browser', () => {
  test('A page that needs one leads to the provider and back, and the proof is in a cookie that scripts cannot read', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const refused = await alice.send(`${SITE}/transfers/new?to=bob`);
    expect(refused.status).toBe(302);
    expect(refused.location).toBe(
      `${SITE}/.stepgate/step-up?acr_values=${encodeURIComponent(LOA2)}&max_age=${MAX_AGE}` +
        `&return_to=${encodeURIComponent(`${SITE}/transfers/new?to=bob`)}`,
    );

    const started = await alice.send(refused.location ?? '');
    expect(started.status).toBe(302);
    expect(new URL(started.location ?? '').origin).toBe(idp.issuer);
    // The provider takes pushed requests (RFC 9126): nothing of the request is in the address.
    expect([...new URL(started.location ?? '').searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    expect(started.cookies).toHaveLength(1);
    expect(started.cookies[0]).toMatch(
      /^__Host-stepgate-pending-[\w-]{16}=[\w.-]+; Max-Age=600; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );

    const back = await alice.follow(started.location ?? '', ALICE);
    expect([back.status, back.url]).toEqual([200, `${SITE}/transfers/new?to=bob`]);
    expect([...(alice.jars.get(SITE)?.keys() ?? [])].sort()).toEqual(['__Host-stepgate-su', 'session']);
  });

  test('A proof that counts once asks for the log-in itself', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const first = await alice.follow(`${SITE}/payouts`, ALICE);
    expect(first.status).toBe(200);
    const { location } = await alice.send(`${SITE}/payouts`);
    expect(new URL(location ?? '').searchParams.get('max_age')).toBe('0');
    advance(2);
    expect((await alice.follow(location ?? '', ALICE)).status).toBe(200);
    expect((await alice.send(`${SITE}/payouts`)).status).toBe(302);
  });

  test('Another person at the provider ends on a page, and no cookie is set', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const end = await alice.follow(`${SITE}/transfers`, { account: 'mallory', methods: ['pwd', 'otp'] });
    expect([end.status, kindOf(end)]).toEqual([403, 'Another account was used']);
    expect([...(alice.jars.get(SITE)?.keys() ?? [])]).toEqual(['session']);
  });

  test('A person who gives up, and one whom the provider cannot confirm as asked, are told so', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const end = await alice.follow(`${SITE}/transfers`, { account: 'alice', methods: [] });
    expect([end.status, kindOf(end)]).toEqual([403, 'You did not confirm']);
    const weak = await browserOf('bob', ['pwd']);
    const answer = await weak.follow(`${SITE}/transfers`, { account: 'bob', methods: ['pwd'] });
    expect([answer.status, kindOf(answer)]).toEqual([403, 'A stronger confirmation is needed']);
  });

  test('The answer of a provider counts once: a reload and the back button end on a page that leads on', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const { location } = await alice.send(`${SITE}/transfers`);
    let at = (await alice.send(location ?? '')).location ?? '';
    while (!at.startsWith(SITE)) {
      const answer = await alice.send(at);
      if (answer.location !== null) at = new URL(answer.location, at).href;
      else at = (await enter(alice, at)).location ?? '';
    }
    expect((await alice.send(at)).status).toBe(303);
    const again = await alice.send(at);
    expect([again.status, kindOf(again)]).toEqual([400, 'This confirmation is no longer valid']);
    expect(again.body).toContain('href="/"');
  });

  test('A step-up that took too long, or came back to another browser, is over', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const { location } = await alice.send((await alice.send(`${SITE}/transfers`)).location ?? '');
    advance(601);
    const late = await alice.follow(location ?? '', ALICE);
    expect(late.status).not.toBe(200);

    const begun = await alice.send((await alice.send(`${SITE}/transfers`)).location ?? '');
    const stranger = browser();
    const end = await stranger.follow(begun.location ?? '', ALICE);
    expect([end.status, kindOf(end)]).toEqual([400, 'This confirmation is no longer valid']);
  });

  test('Two tabs step up side by side', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const [one, two] = [
      await alice.send((await alice.send(`${SITE}/transfers/1`)).location ?? ''),
      await alice.send((await alice.send(`${SITE}/transfers/2`)).location ?? ''),
    ];
    expect((await alice.follow(two.location ?? '', ALICE)).url).toBe(`${SITE}/transfers/2`);
    expect((await alice.follow(one.location ?? '', ALICE)).url).toBe(`${SITE}/transfers/1`);
  });

  test('Tabs beyond the fourth end the oldest, so that cookies do not pile up', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const start = (await alice.send(`${SITE}/transfers`)).location ?? '';
    for (let tab = 0; tab < 7; tab += 1) await alice.send(start);
    const kept = [...(alice.jars.get(SITE)?.keys() ?? [])].filter((name) =>
      name.startsWith('__Host-stepgate-pending-'),
    );
    expect(kept).toHaveLength(4);
  });

  test('A provider that is away is a page with a way to try again, and works once it is back', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const { location } = await alice.send(`${SITE}/transfers`);
    await idp.stop();
    const end = await alice.send(location ?? '');
    expect([end.status, kindOf(end)]).toEqual([502, 'The log-in service is not responding']);
    expect(end.body).toContain('/.stepgate/step-up?');
    await idp.start();
    expect((await alice.follow(location ?? '', ALICE)).status).toBe(200);
  });

  test('Without a session there is nobody to confirm', async () => {
    const end = await browser().follow(`${SITE}/transfers`, ALICE);
    expect([end.status, kindOf(end)]).toEqual([401, 'Please log in first']);
  });

  test('A posted form is not lost without a word: the page says so and leads back to it', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const posted = await alice.send(`${SITE}/transfers`, 'POST', undefined, {
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
      Referer: `${SITE}/transfers/new`,
    });
    const page = await alice.send(posted.location ?? '');
    expect([page.status, kindOf(page)]).toEqual([401, 'What you entered was not sent']);
    const [, confirm = ''] = /href="([^"]*)">Confirm</.exec(page.body) ?? [];
    const end = await alice.follow(new URL(confirm.replaceAll('&amp;', '&'), SITE).href, ALICE);
    expect(end.url).toBe(`${SITE}/transfers/new`);
  });

  test.each([
    ['https://evil.example/x'],
    ['//evil.example'],
    ['/transfers'],
    ['javascript:alert(1)'],
    ['https://shop.bank.example@evil.example/'],
    [`${SITE}.evil.example/`],
  ])('A way back to %s ends at the start page of the own site', async (returnTo) => {
    const alice = browser();
    await alice.logIn(ALICE);
    const start = `${SITE}/.stepgate/step-up?return_to=${encodeURIComponent(returnTo)}&max_age=${MAX_AGE}`;
    expect((await alice.follow(start, ALICE)).url).toBe(`${SITE}/`);
  });

  test('A way back that is too long for a cookie loses its query first, and the step-up goes on', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const startAt = (returnTo: string) =>
      `${SITE}/.stepgate/step-up?return_to=${encodeURIComponent(returnTo)}&max_age=${MAX_AGE}`;
    const query = await alice.follow(startAt(`${SITE}/transfers?q=${'a'.repeat(3500)}`), ALICE);
    expect([query.status, query.url]).toEqual([200, `${SITE}/transfers`]);
    const path = await alice.follow(startAt(`${SITE}/transfers/${'a'.repeat(3500)}`), ALICE);
    expect(path.url).toBe(`${SITE}/`);
  });

  test('A call without the key of the gateway gets a page that leads nowhere', async () => {
    const answer = await fetch(`${bank.url}/.stepgate/step-up?return_to=${SITE}/`, { headers: { Accept: HTML } });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('This page is not available here');
  });
});

describe('a step-up that a script starts', () => {
  const json = { Accept: 'application/json', 'Content-Type': 'application/json' };
  const start = (it: ReturnType<typeof browser>, body: object, more: OutgoingHttpHeaders = {}) =>
    it.send(`${SITE}/.stepgate/step-up`, 'POST', JSON.stringify(body), { ...json, ...more });

  test('A page sends the browser to the address that it is given, and finds the proof in the cookie', async () => {
    const alice = browser();
    await alice.logIn(ALICE);
    const started = await start(alice, { acr_values: [LOA2], max_age: 300, return_to: `${SITE}/cart` });
    expect(started.status).toBe(200);
    const { location } = JSON.parse(started.body) as { location: string };
    expect((await alice.follow(location, ALICE)).url).toBe(`${SITE}/cart`);
    expect((await alice.send(`${SITE}/transfers`)).status).toBe(200);
  });

  test.each([
    ['a page of another site', { Origin: 'https://evil.example' }, 403, 'cross_origin'],
    ['a form', { 'Content-Type': 'text/plain' }, 415, 'unsupported_media_type'],
  ])('%s starts none', async (_, more, status, code) => {
    const alice = browser();
    await alice.logIn(ALICE);
    const answer = await start(alice, {}, more);
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  });

  test('Nobody is told so, and a body that cannot be read too', async () => {
    const nobody = await start(browser(), {});
    expect([nobody.status, JSON.parse(nobody.body).code]).toEqual([401, 'no_session']);
    const alice = browser();
    await alice.logIn(ALICE);
    const answer = await start(alice, { max_age: -1 });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'invalid_request']);
  });
});

async function browserOf(account: string, methods: readonly string[]) {
  const it = browser();
  await it.logIn({ account, methods });
  return it;
}

function enter(it: ReturnType<typeof browser>, at: string): Promise<Answer> {
  return it.send(
    at,
    'POST',
    new URLSearchParams([
      ['account', 'alice'],
      ['method', 'pwd'],
      ['method', 'otp'],
    ]),
  );
}
