import { describe, expect, test } from 'vitest';
import { MAX_TARGET_LENGTH } from '../../../src/gateway/path.ts';
import { MAX_BODY_BYTES } from '../../../src/http/body.ts';
import { parseTrustedProxies } from '../../../src/net/client-ip.ts';
import { API_KEY, AUTHORIZED, scene } from '../../support/scene.ts';

/**
 * Longest that one request may hold everybody up, in ms. The worst take a tenth of it here; what grows with the square of its
 * input takes several times as long.
 */
const MAX_MS = 1000;

const { app, post } = scene({
  deps: {
    trust: { trusted: parseTrustedProxies('hops:5'), declared: null },
    gateway: {
      sessionCookie: 'session',
      stepUpUrl: 'https://id.example/',
      returnHosts: ['app.example'],
      publicUrl: null,
    },
  },
});

/** What Node takes at most in all header lines; nearly all of it in one. */
const LENGTH = 60_000;
const filled = (unit: string, length = LENGTH): string => unit.repeat(Math.floor(length / unit.length));

/** Least time of two tries: what else the machine does is not held against the request. */
async function leastMs(run: () => Promise<unknown>): Promise<number> {
  const tries: number[] = [];
  for (let i = 0; i < 2; i += 1) {
    const startedMs = performance.now();
    await run();
    tries.push(performance.now() - startedMs);
  }
  return Math.min(...tries);
}

describe('no header line holds everybody up, whatever it repeats', () => {
  const UNITS = [
    ...[
      ' ',
      '\t',
      'a',
      ',',
      ', ',
      ';',
      '; ',
      '"',
      '\\"',
      '\\',
      '=',
      'a=b;',
      '.',
      ':',
      '-',
      '(',
      '{',
      '[',
      'é',
      '+json',
    ],
    ...['/', '/..', '//', '..;/', '%', '%25', '%2e', '%252f', '1.1.1.1, ', '[::1],', 'for=1.1.1.1,', 'for="', 'by=a;'],
    ...['text/html', ',text/html;', 'eyJ.', 'session=a.b.c;', 'Mozilla/5.0 (', 'Version/1 ', 'c.a=1;', 'v=1;'],
  ];
  /** What a pattern could begin and end with, so that it fails as late as it can. */
  const AROUND = [
    ['', ''],
    ['', '\u0001x'],
    ['application/json;', 'x'],
    ['Bearer ', 'é'],
    ['v=1;fp=', '!'],
    ['"', '!'],
    ['/', '!'],
  ] as const;
  const HOOK = [
    ...[
      'x-forwarded-for',
      'forwarded',
      'x-forwarded-method',
      'x-forwarded-uri',
      'x-forwarded-host',
      'x-forwarded-proto',
    ],
    ...['cookie', 'authorization', 'x-step-up-token', 'x-stepgate-device', 'user-agent', 'accept', 'origin'],
    ...['access-control-request-method', 'x-request-id', 'x-stepgate-key', 'x-http-method-override'],
    ...['dpop', 'x-stepgate-device-proof', 'secure-session-skipped', 'sec-ch-ua', 'referer', 'accept-language'],
  ];
  const OWN = { 'x-stepgate-key': API_KEY, 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/a' };
  const values = UNITS.flatMap((unit) => AROUND.map(([before, after]) => before + filled(unit) + after));

  test.each(HOOK)('%s to a hook', async (name) => {
    for (const value of values) {
      const headers = new Headers({ ...OWN, [name]: value });
      const ms = await leastMs(async () => app.request('/forward-auth', { headers }));
      expect(ms, JSON.stringify(value.slice(0, 30))).toBeLessThan(MAX_MS);
    }
  });

  test('A path, as long as one may be, to a hook', async () => {
    for (const unit of UNITS.filter((one) => !/[\s\t]/.test(one))) {
      for (const after of ['', '/..', '%', ';']) {
        const uri = `/${filled(unit, MAX_TARGET_LENGTH - 10)}${after}`;
        const headers = { ...OWN, 'x-forwarded-uri': Buffer.from(uri).toString('latin1').slice(0, MAX_TARGET_LENGTH) };
        const ms = await leastMs(async () => app.request('/forward-auth', { headers }));
        expect(ms, JSON.stringify([unit, after])).toBeLessThan(MAX_MS);
      }
    }
  });

  test.each(['/ext-authz/', '/v1/subjects/', '/v1/subjects/x/devices/'])(
    'A path without end below %s',
    async (path) => {
      for (const unit of UNITS) {
        const headers = path.startsWith('/v1') ? AUTHORIZED : { 'x-stepgate-key': API_KEY };
        const ms = await leastMs(async () => app.request(path + filled(unit), { headers }));
        expect(ms, JSON.stringify(unit)).toBeLessThan(MAX_MS);
      }
    },
  );

  test.each(['content-type', 'authorization', 'x-request-id'])('%s to a check', async (name) => {
    for (const value of values) {
      const headers = new Headers({ 'content-type': 'application/json', ...AUTHORIZED });
      headers.set(name, value);
      const ms = await leastMs(async () =>
        app.request('/v1/risk-check', { method: 'POST', headers, body: '{"action":"a"}' }),
      );
      expect(ms, JSON.stringify(value.slice(0, 30))).toBeLessThan(MAX_MS);
    }
  });
});

describe('no body holds everybody up, or is answered by far more than was sent', () => {
  const names = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
  /** One name in thousands of letter cases. */
  const cased = (count: number): object =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        [...'abcdefghijklm'].map((letter, bit) => ((i >> bit) & 1 ? letter.toUpperCase() : letter)).join(''),
        '',
      ]),
    );
  const check = (more: object): string => JSON.stringify({ action: 'a', ...more });
  const batch = (more: object, count = 100): string =>
    JSON.stringify({
      subject: { type: 'user', id: 'u' },
      action: { name: 'a' },
      resource: { type: 't', id: 'i' },
      ...more,
      evaluations: Array.from({ length: count }, () => ({})),
    });

  test.each([
    ['names that are none, at the top', '/v1/risk-check', check(names(5000))],
    ['names that are none, of the device', '/v1/risk-check', check({ device: names(5000) })],
    ['components by the thousand', '/v1/risk-check', check({ device: { components: names(5000) } })],
    ['free facts by the thousand', '/v1/risk-check', check({ context: names(5000) })],
    ['a list of empty lists', '/v1/risk-check', check({ context: { a: Array.from({ length: 20_000 }, () => []) } })],
    ['one header in every letter case', '/v1/risk-check', check({ peer_ip: '10.0.0.1', headers: cased(3000) })],
    [
      'a chain of proxies',
      '/v1/risk-check',
      check({ peer_ip: '10.0.0.1', headers: { 'x-forwarded-for': filled('1.1.1.1,') } }),
    ],
    ['a user agent without end', '/v1/risk-check', check({ user_agent: filled('Mozilla/5.0 (') })],
    ['a moment without end', '/v1/risk-check', check({ occurred_at: `2026-11-25T02:00:00.${filled('0')}Z` })],
    ['accents without end', '/v1/risk-check', check({ subject: `a${filled('\u0301', 20_000)}` })],
    ['a name twice behind thousands', '/v1/risk-check', check(names(5000)).replace('}', ',"action":"b"}')],
    ['quotes', '/v1/risk-check', check({ a: filled('"', 30_000) })],
    ['backslashes', '/v1/risk-check', `{"a":"${filled('\\')}"}`],
    [
      'numbers too large, far down',
      '/v1/risk-check',
      `${'{"long name":'.repeat(30)}[${filled('1e999,')}1]${'}'.repeat(30)}`,
    ],
    ['classes by the thousand', '/v1/step-up/verify', JSON.stringify({ acr_values: Array(10_000).fill('a') })],
    ['evaluations by the thousand', '/access/v1/evaluations', batch({}, 15_000)],
    ['free facts, a hundred times', '/access/v1/evaluations', batch({ context: names(5000) })],
    ['headers, a hundred times', '/access/v1/evaluations', batch({ context: { headers: cased(3000) } })],
    [
      'properties, a hundred times',
      '/access/v1/evaluations',
      batch({ resource: { type: 't', id: 'i', properties: names(5000) } }),
    ],
    ['names that are none, a hundred times', '/access/v1/evaluations', batch({ context: { device: names(5000) } })],
    ['as many of them as a batch may have', '/access/v1/evaluations', batch({ context: { device: names(380) } })],
  ])('%s: %s', async (_what, path, body) => {
    expect(body.length).toBeLessThanOrEqual(MAX_BODY_BYTES);
    let answered = 0;
    const ms = await leastMs(async () => {
      const response = await post(path, body);
      expect(response.status).toBeLessThan(500);
      answered = (await response.text()).length;
    });
    expect(ms).toBeLessThan(MAX_MS);
    expect(answered).toBeLessThan(4 * MAX_BODY_BYTES);
  });
});
