import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import type { Refetch } from '../../../src/step-up/keys.ts';
import { json, type StandIn, standIn } from '../../support/servers/stand-in.ts';
import {
  AUDIENCE,
  ISSUER,
  NOW_MS,
  proofOf,
  refusalOf,
  type SigningKey,
  sign,
  signingKey,
} from '../../support/step-up/tokens.ts';

const MINUTE = 60_000;
const KEYS = '/keys';

let server: StandIn;
let k1: SigningKey;
let k2: SigningKey;
const refetches: Refetch[] = [];

beforeEach(async () => {
  server = await standIn();
  [k1, k2] = [await signingKey('k1'), await signingKey('k2')];
  refetches.length = 0;
});
afterEach(() => server.stop());

function verifier(
  settings: Record<string, unknown> = {},
  options: { timeoutMs?: number; shareFetches?: boolean } = {},
) {
  const location = 'discovery' in settings ? {} : { jwks_uri: `${server.url}${KEYS}` };
  return joseVerifier({
    issuers: stepUpIssuers.parse([
      { issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'], ...location, ...settings },
    ]),
    fetch,
    onRefetch: (refetch) => refetches.push(refetch),
    ...options,
  });
}

/** A token that is good around `nowMs`. */
function tokenAt(key: SigningKey, nowMs: number, claims: Record<string, unknown> = {}): Promise<string> {
  const now = nowMs / 1000;
  return sign(key, { iat: now, auth_time: now, exp: now + 300, ...claims });
}

const asked = () => server.asked.filter((one) => one === `GET ${KEYS}`).length;

describe('rotation', () => {
  test('Keys are fetched once and then cached', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    await Promise.all(
      ['u1', 'u2', 'u3', 'u4'].map(async (sub) => proofOf(subject, await tokenAt(k1, NOW_MS, { sub }))),
    );
    await proofOf(subject, await tokenAt(k1, NOW_MS + 9 * MINUTE), NOW_MS + 9 * MINUTE);
    expect(asked()).toBe(1);
    await proofOf(subject, await tokenAt(k1, NOW_MS + 10 * MINUTE), NOW_MS + 10 * MINUTE);
    expect(asked()).toBe(2);
  });

  test('Keys that are soon too old and then of no use are had again at once, without the pause after a failure', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier({ keys_cache_s: 1, stale_keys_s: 0 });
    for (const later of [0, 1000, 2000]) {
      await proofOf(subject, await tokenAt(k1, NOW_MS + later), NOW_MS + later);
    }
    expect(asked()).toBe(3);
  });

  test('A new kid is fetched at once, the old one goes on, and a withdrawn one ends', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    await proofOf(subject, await tokenAt(k1, NOW_MS));
    server.behave(json({ keys: [k1.jwk, k2.jwk] }));
    await proofOf(subject, await tokenAt(k2, NOW_MS + MINUTE), NOW_MS + MINUTE);
    await proofOf(subject, await tokenAt(k1, NOW_MS + MINUTE), NOW_MS + MINUTE);
    expect(asked()).toBe(2);
    server.behave(json({ keys: [k2.jwk] }));
    const later = NOW_MS + 12 * MINUTE;
    expect((await refusalOf(subject, await tokenAt(k1, later), later)).code).toBe('key_unknown');
  });

  test('A withdrawn key ends the tokens that were found good before, once the keys are due again', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    const token = await tokenAt(k1, NOW_MS, { exp: NOW_MS / 1000 + 3600 });
    await proofOf(subject, token);
    server.behave(json({ keys: [k2.jwk] }));
    await proofOf(subject, token, NOW_MS + 10 * MINUTE - 1);
    expect((await refusalOf(subject, token, NOW_MS + 10 * MINUTE)).code).toBe('key_unknown');
  });

  test('Made-up kids cost one fetch per cooldown, and are told apart from an attack until it has passed', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    await proofOf(subject, await tokenAt(k1, NOW_MS));
    const early = NOW_MS + 1000;
    for (let index = 0; index < 50; index += 1) {
      const forged = await tokenAt({ ...k2, jwk: { ...k2.jwk, kid: `made-up-${index}` } }, early);
      expect(await refusalOf(subject, forged, early)).toMatchObject({
        code: 'keys_cooling',
        suspicious: false,
        retryAfterSeconds: 29,
      });
    }
    expect(asked()).toBe(1);
    const late = NOW_MS + 30_000;
    const forged = await tokenAt(k2, late);
    expect(await refusalOf(subject, forged, late)).toMatchObject({ code: 'key_unknown', suspicious: true });
    expect(asked()).toBe(2);
    expect((await refusalOf(subject, forged, late + 31_000)).suspicious).toBe(true);
    expect(asked()).toBe(2);
  });

  test('A kid that was unknown is taken once it is published', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    await refusalOf(subject, await tokenAt(k2, NOW_MS));
    server.behave(json({ keys: [k1.jwk, k2.jwk] }));
    await proofOf(subject, await tokenAt(k2, NOW_MS + MINUTE), NOW_MS + MINUTE);
  });

  test('A clock that was set back does not bar the way to new keys', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier();
    await proofOf(subject, await tokenAt(k1, NOW_MS + 60 * MINUTE), NOW_MS + 60 * MINUTE);
    server.behave(json({ keys: [k2.jwk] }));
    await proofOf(subject, await tokenAt(k2, NOW_MS));
  });
});

describe('an endpoint that is down', () => {
  const down = (status: number) => server.behave((_request, response) => response.writeHead(status).end('oops'));

  /** @see https://github.com/auth0/node-jwks-rsa/issues/385 */
  test('An endpoint that is down leaves known keys good until the stale limit, and says of others that keys are unavailable', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier({ stale_keys_s: 3600 });
    await proofOf(subject, await tokenAt(k1, NOW_MS));
    down(503);
    const later = NOW_MS + 20 * MINUTE;
    await proofOf(subject, await tokenAt(k1, later), later);
    expect(refetches.at(-1)).toEqual({
      issuer: ISSUER,
      outcome: 'failed',
      why: `${server.url}${KEYS} answered 503, expected 200`,
      stale: true,
    });
    expect(await refusalOf(subject, await tokenAt(k2, later), later)).toEqual({
      code: 'keys_unavailable',
      message: `the keys of ${ISSUER} are not available: ${server.url}${KEYS} answered 503, expected 200`,
      suspicious: false,
      retryAfterSeconds: 30,
    });
    expect(asked()).toBe(2);
    const tooLate = NOW_MS + 70 * MINUTE;
    expect((await refusalOf(subject, await tokenAt(k1, tooLate), tooLate)).code).toBe('keys_unavailable');
    server.behave(json({ keys: [k1.jwk] }));
    await proofOf(subject, await tokenAt(k1, tooLate + MINUTE), tooLate + MINUTE);
  });

  /** @see https://github.com/micronaut-projects/micronaut-security/issues/155 */
  /** @see https://github.com/UsefulSoftwareCo/executor/pull/1665 */
  test('An endpoint that is down at the start is reported, and keys are had without a restart once it is back', async () => {
    const { port } = server;
    const subject = verifier();
    await server.stop();
    await subject.warm(NOW_MS);
    expect(subject.missingKeys()).toEqual([ISSUER]);
    expect((await refusalOf(subject, await tokenAt(k1, NOW_MS))).code).toBe('keys_unavailable');
    server = await standIn(undefined, port);
    server.behave(json({ keys: [k1.jwk] }));
    const later = NOW_MS + MINUTE;
    await proofOf(subject, await tokenAt(k1, later), later);
    expect(subject.missingKeys()).toEqual([]);
  });

  test('An endpoint that is down is not asked by every check while no keys are there', async () => {
    down(500);
    const subject = verifier();
    for (let index = 0; index < 20; index += 1) {
      await refusalOf(subject, await tokenAt(k1, NOW_MS, { sub: `u${index}` }), NOW_MS + index);
    }
    expect(asked()).toBe(1);
  });

  test('An endpoint that hangs is given up within the time limit, and known keys work meanwhile', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier({}, { timeoutMs: 150 });
    await proofOf(subject, await tokenAt(k1, NOW_MS));
    let hanging = 0;
    server.behave(() => {
      hanging += 1;
    });
    const later = NOW_MS + 20 * MINUTE;
    const [first, second] = [await tokenAt(k1, later, { sub: 'u1' }), await tokenAt(k1, later, { sub: 'u2' })];
    const order: string[] = [];
    const slow = proofOf(subject, first, later).then(() => order.push('the one that asks'));
    const fast = proofOf(subject, second, later).then(() => order.push('the other'));
    await Promise.all([slow, fast]);
    expect(order).toEqual(['the other', 'the one that asks']);
    expect(hanging).toBe(1);
    expect(refetches.at(-1)?.why).toContain('did not respond within 150 ms');
  });

  test('An endpoint that stops in the middle of its answer is given up too', async () => {
    server.behave((_request, response) => response.writeHead(200).write('{"keys":['));
    const subject = verifier({}, { timeoutMs: 150 });
    expect((await refusalOf(subject, await tokenAt(k1, NOW_MS))).message).toContain(
      'did not finish its response within',
    );
  });

  test.each([
    ['no JSON', 'hello', 'did not return JSON'],
    ['a list', '[]', 'no "keys" array'],
    ['no keys', '{"keys":[]}', 'has no usable public key'],
    ['symmetric keys only', '{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"}]}', 'has no usable public key'],
    ['without end', `{"keys":["${'x'.repeat(600_000)}"]}`, 'more than 524288 bytes'],
  ])('An endpoint that is down or answers %s gives no keys', async (_what, body, why) => {
    server.behave((_request, response) => response.end(body));
    const error = await refusalOf(verifier(), await tokenAt(k1, NOW_MS));
    expect(error.code).toBe('keys_unavailable');
    expect(error.message).toContain(why);
  });

  test('An endpoint that is down or sends elsewhere is not followed', async () => {
    server.behave(({ url: path }, response) =>
      path === KEYS
        ? response.writeHead(302, { location: '/elsewhere' }).end()
        : response.end(JSON.stringify({ keys: [k1.jwk] })),
    );
    expect((await refusalOf(verifier(), await tokenAt(k1, NOW_MS))).code).toBe('keys_unavailable');
    expect(server.asked.includes('GET /elsewhere')).toBe(false);
  });

  test('Where callers may not share a fetch, each makes its own', async () => {
    server.behave(json({ keys: [k1.jwk] }));
    const subject = verifier({}, { shareFetches: false });
    const tokens = await Promise.all(['u1', 'u2'].map((sub) => tokenAt(k1, NOW_MS, { sub })));
    await Promise.all(tokens.map((token) => proofOf(subject, token)));
    expect(asked()).toBe(2);
  });
});

describe('discovery', () => {
  const document = '/.well-known/openid-configuration';

  test('Key discovery finds the keys where the provider says they are', async () => {
    const issuer = server.url;
    server.behave(({ url: path }, response) =>
      response.end(JSON.stringify(path === document ? { issuer, jwks_uri: `${issuer}${KEYS}` } : { keys: [k1.jwk] })),
    );
    const subject = verifier({ issuer, discovery: true });
    await proofOf(subject, await tokenAt(k1, NOW_MS, { iss: issuer }));
    expect(server.asked).toEqual([`GET ${document}`, `GET ${KEYS}`]);
  });

  test('Key discovery is refused when the document speaks for another issuer', async () => {
    const issuer = server.url;
    server.behave(json({ issuer: 'https://evil.example', jwks_uri: `${issuer}${KEYS}` }));
    const error = await refusalOf(verifier({ issuer, discovery: true }), await tokenAt(k1, NOW_MS, { iss: issuer }));
    expect(error.code).toBe('keys_unavailable');
    expect(error.message).toContain('is for issuer https://evil.example');
    expect(asked()).toBe(0);
  });

  test('Discovery over https leads to keys over https only, even on this machine', async () => {
    const jwksUri = `${server.url}${KEYS}`;
    server.behave(json({ keys: [k1.jwk] }));
    const subject = joseVerifier({
      issuers: stepUpIssuers.parse([{ issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'], discovery: true }]),
      fetch: (uri, init) =>
        uri.startsWith(ISSUER)
          ? Promise.resolve(new Response(JSON.stringify({ issuer: ISSUER, jwks_uri: jwksUri })))
          : fetch(uri, init),
    });
    const error = await refusalOf(subject, await tokenAt(k1, NOW_MS));
    expect(error).toMatchObject({
      code: 'keys_unavailable',
      message: expect.stringContaining(`has jwks_uri ${jwksUri}`),
    });
    expect(asked()).toBe(0);
  });
});

test('Two issuers side by side keep their keys apart, even under one kid', async () => {
  const other = await signingKey('k1');
  server.behave(({ url: path }, response) =>
    response.end(JSON.stringify({ keys: [path === '/a' ? k1.jwk : other.jwk] })),
  );
  const shared = { audience: AUDIENCE, algorithms: ['ES256'] };
  const subject = joseVerifier({
    issuers: stepUpIssuers.parse([
      { issuer: 'https://a.example', subjects: 'a', jwks_uri: `${server.url}/a`, ...shared },
      { issuer: 'https://b.example', subjects: 'b', jwks_uri: `${server.url}/b`, ...shared },
    ]),
    fetch,
  });
  expect(subject.missingKeys()).toEqual(['https://a.example', 'https://b.example']);
  await proofOf(subject, await tokenAt(k1, NOW_MS, { iss: 'https://a.example' }));
  await proofOf(subject, await tokenAt(other, NOW_MS, { iss: 'https://b.example' }));
  const crossed = await tokenAt(k1, NOW_MS, { iss: 'https://b.example' });
  expect((await refusalOf(subject, crossed)).code).toBe('signature_invalid');
});
