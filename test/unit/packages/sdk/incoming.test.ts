import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressFinder, requestParts, TOKEN_SOURCES, type TokenSource } from '../../../../packages/sdk/src/incoming.ts';
import { riskCheckBody } from '../../../../src/contract/body.ts';
import { MAX_TOKEN_LENGTH } from '../../../../src/model/proof.ts';

const SOURCES: readonly TokenSource[] = ['header', 'cookie', 'bearer'];

/** Whatever a header may hold when Node has read it: bytes as Latin-1, without line ends and NUL. */
const anyValue = fc.oneof(
  fc.string({ unit: fc.integer({ min: 1, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
  fc.constantFrom('', ' ', '::ffff:8.8.8.8', 'for="[2001:db8::1]:1"', '8.8.8.8,,', 'Bearer a.b.c', 'Bearer  ', 'unix:'),
  fc.constantFrom(
    '__Host-stepgate-device=',
    '__Host-stepgate-su="a.b.c"; __Host-stepgate-su=d',
    '__Host-stepgate-device=a;',
  ),
  fc.integer({ min: 900, max: 20_000 }).map((length) => 'x'.repeat(length)),
  fc
    .integer({ min: 8000, max: 20_000 })
    .map((n) => `__Host-stepgate-device=${'d'.repeat(n)}; __Host-stepgate-su=${'s'.repeat(n)}`),
);

const anyRequest = fc.record({
  method: fc.constantFrom('GET', 'POST'),
  target: fc.constant('/'),
  peer: fc.option(
    fc.constantFrom('127.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', 'fe80::1%eth0', 'unix:', '', 'nonsense'),
  ),
  headers: fc.dictionary(
    fc.constantFrom(
      'user-agent',
      'cookie',
      'authorization',
      'x-step-up-token',
      'x-stepgate-device',
      'x-stepgate-device-proof',
      'x-forwarded-for',
      'forwarded',
      'cf-connecting-ip',
    ),
    anyValue,
    { noNullPrototype: true },
  ),
});

describe('what is shown of a request', () => {
  test('What is shown of a request is always taken by Stepgate, whatever the client sends: nobody can make an application fail', () => {
    const finders = [
      {},
      { trustedProxies: '127.0.0.0/8, 10.0.0.0/8, unix:' },
      { trustedProxies: 'hops:1' },
      { trustedProxies: 'hops:1', header: 'cf-connecting-ip' as const },
    ].map(addressFinder);
    fc.assert(
      fc.property(
        anyRequest,
        fc.constantFrom(...finders),
        fc.shuffledSubarray([...SOURCES]),
        (request, find, sources) => {
          const taken = riskCheckBody.safeParse({ action: 'checkout', ...requestParts(request, find, sources) });
          expect(taken.error?.issues).toBeUndefined();
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('What is shown of a request has the token of the first source that has one', () => {
    const headers = {
      'x-step-up-token': 'from.the.header',
      cookie: '__Host-stepgate-su=from.the.cookie',
      authorization: 'Bearer from.the.bearer',
    };
    const request = { method: 'GET', target: '/', peer: null, headers };
    const tokenFrom = (sources: readonly TokenSource[], without: readonly string[] = []) => {
      const left = Object.fromEntries(Object.entries(headers).filter(([name]) => !without.includes(name)));
      return requestParts({ ...request, headers: left }, () => null, sources).step_up_token;
    };
    expect(tokenFrom(['bearer', 'header'])).toBe('from.the.bearer');
    expect(tokenFrom(TOKEN_SOURCES)).toBe('from.the.header');
    expect(tokenFrom(TOKEN_SOURCES, ['x-step-up-token'])).toBe('from.the.cookie');
    expect(tokenFrom(TOKEN_SOURCES, ['x-step-up-token', 'cookie'])).toBeNull();
  });

  test('What is shown of a request has a token that is too long at a length that Stepgate refuses as too long', () => {
    const headers = { 'x-step-up-token': 'a'.repeat(20_000) };
    const { step_up_token: token } = requestParts({ method: 'GET', target: '/', peer: null, headers }, () => null, [
      'header',
    ]);
    expect(token).toHaveLength(MAX_TOKEN_LENGTH + 1);
  });

  test('What is shown of a request has no cookie that came with two values, since another host of the domain may have set one', () => {
    const cookie = '__Host-stepgate-su=a; __Host-stepgate-su=b; __Host-stepgate-device=c; __Host-stepgate-device=d';
    const request = { method: 'GET', target: '/', peer: null, headers: { cookie } };
    expect(requestParts(request, () => null, SOURCES)).toMatchObject({ device: null, step_up_token: null });
  });
});

test.each([
  [{ trustedProxies: '0.0.0.0/0' }],
  [{ trustedProxies: 'hops:0' }],
  [{ trustedProxies: 'my-proxy' }],
  [{ trustedProxies: 'hops:1', header: 'x-client-ip' as never }],
])('An address configuration that would trust anybody or nobody knows whom is refused at the start: %o', (options) => {
  expect(() => addressFinder(options)).toThrow(/TRUSTED_PROXIES|header must be one of/);
});
