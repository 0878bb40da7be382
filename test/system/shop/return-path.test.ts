import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shopApp } from '../../../examples/shop/shop/app.ts';
import { openCustomers } from '../../../examples/shop/shop/customers.ts';
import { gatewayProtection } from '../../../examples/shop/shop/protection-gateway.ts';
import { returnPath } from '../../../examples/shop/shop/return-path.ts';
import { openSessions } from '../../../examples/shop/shop/session.ts';

const ORIGIN = 'https://shop.example';

/** What has led, or could lead, from a path of one site to another site. */
const AWAY = [
  '/.//evil.example/x',
  '/./\\evil.example/x',
  '/..//evil.example/x',
  '/a/..//evil.example/x',
  '/%2e//evil.example/x',
  '/%2E%2e//evil.example/x',
  './/evil.example/x',
  '//evil.example/x',
  '///evil.example/x',
  '/\\evil.example/x',
  '\\\\evil.example/x',
  '/\t/evil.example/x',
  '/\n/evil.example/x',
  '\r\n//evil.example/x',
  ' //evil.example/x',
  'https://evil.example/x',
  'https:evil.example/x',
  'https:/evil.example',
  'https://shop.example@evil.example/x',
  'https://shop.example.evil.example/x',
  'https://shop.example//evil.example/x',
  'http://shop.example/x',
  'javascript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,x',
  'blob:https://shop.example/x',
  'blob:https://shop.example//evil.example',
];

/** Where a browser goes with it as `Location`, from whatever page. */
const landing = (location: string): URL => new URL(location, `${ORIGIN}/some/page?x=1`);

describe('returnPath', () => {
  test.each([
    ['/basket', '/basket'],
    ['/orders/17?print=1', '/orders/17?print=1'],
    [`${ORIGIN}/account`, '/account'],
    ['/account#top', '/account'],
    ['/%2f%2fevil.example', '/%2f%2fevil.example'],
    ['/%5cevil.example', '/%5cevil.example'],
    ['', '/'],
    [undefined, '/'],
  ])('%s leads to %s', (asked, path) => {
    expect(returnPath(asked, ORIGIN)).toBe(path);
  });

  test.each(AWAY)('%j leads to no other site', (asked) => {
    expect(landing(returnPath(asked, ORIGIN)).origin).toBe(ORIGIN);
  });

  test('Nothing at all leads to another site, or to the same page by another reading', () => {
    const pieces = fc.constantFrom(
      ...[
        '/',
        '\\',
        '.',
        '..',
        '%2e',
        '%2f',
        '%5c',
        ':',
        '@',
        '?',
        '#',
        '\t',
        '\n',
        '\r',
        ' ',
        '\0',
        '\u3002',
        '\uff0f',
      ],
      ...['evil.example', 'shop.example', 'https:', 'http:', 'blob:', 'javascript:', 'a', '['],
    );
    const written = fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(''));
    const texts = fc.oneof(written, fc.string(), fc.webUrl({ withQueryParameters: true }));
    fc.assert(
      fc.property(texts, (asked) => {
        const path = returnPath(asked, ORIGIN);
        expect(path).toMatch(/^\/(?![/\\])[\x21-\x7e]*$/);
        expect(landing(path).origin).toBe(ORIGIN);
        expect(returnPath(path, ORIGIN)).toBe(path);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('the shop', () => {
  const customer = { subject: 'u-1', name: 'Ada', email: 'ada@shop.example', isAdministrator: false };
  const transaction = { state: 's', nonce: 'n', codeVerifier: 'v' };
  const app = shopApp({
    origin: ORIGIN,
    issuer: 'https://id.example',
    openId: {
      begin: async () => ({ location: 'https://id.example/auth', transaction }),
      finish: async () => ({ ...customer, accessToken: 't', expiresMs: Date.now() + 60_000 }),
    },
    sessions: openSessions(Date.now),
    customers: openCustomers(),
    assets: new Map(),
    protection: gatewayProtection(),
    stepgate: { loggedIn: async () => undefined, devices: async () => [], removeDevice: async () => undefined },
    tokenCookie: null,
    now: Date.now,
  });
  const post = (path: string, form: { readonly [name: string]: string }, cookie = '') =>
    app.request(`${ORIGIN}${path}`, {
      method: 'POST',
      headers: { Origin: ORIGIN, Cookie: cookie, 'X-Stepgate-Decision': 'allow', 'X-Stepgate-Subject': 'u-1' },
      body: new URLSearchParams(form),
    });
  const get = (path: string, cookie = '') => app.request(`${ORIGIN}${path}`, { headers: { Cookie: cookie } });
  const locationOf = (response: Response): string => response.headers.get('location') ?? 'none';
  const cookieOf = (response: Response): string => response.headers.getSetCookie()[0]?.split(';')[0] ?? '';

  test.each(AWAY)('The shop sends nobody elsewhere who chose colours with return_to=%j', async (return_to) => {
    const answer = await post('/theme', { theme: 'dark', return_to });
    expect(answer.status).toBe(303);
    expect(landing(locationOf(answer)).origin).toBe(ORIGIN);
  });

  test.each(AWAY)('The shop sends nobody elsewhere who logs in, or steps up, with return_to=%j', async (return_to) => {
    const begun = await get(`/log-in?return_to=${encodeURIComponent(return_to)}`);
    const back = await get('/callback?state=s', cookieOf(begun));
    expect(back.status).toBe(303);
    expect(landing(locationOf(back)).origin).toBe(ORIGIN);

    const cookie = cookieOf(back);
    const page = await (await get(`/confirm?return_to=${encodeURIComponent(return_to)}`, cookie)).text();
    const links = [...page.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, link = '']) => link);
    const origins = links.filter((link) => !link.startsWith('data:')).map((link) => landing(link).origin);
    expect(new Set(origins)).toEqual(new Set([ORIGIN]));
    const away = await post('/step-up', { acr_values: '', max_age: '0', return_to }, cookie);
    expect(locationOf(away)).toBe('https://id.example/auth');
    const confirmed = await get('/callback?state=s', cookie);
    expect(landing(locationOf(confirmed)).origin).toBe(ORIGIN);
  });
});
