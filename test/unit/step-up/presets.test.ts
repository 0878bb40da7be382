import { beforeAll, describe, expect, test } from 'vitest';
import { isIssuedBy } from '../../../src/step-up/issuer.ts';
import { stepUpIssuers, stepUpIssuersText } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { judgeProof } from '../../../src/step-up/requirement.ts';
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

const GENERIC = {
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks_uri: 'https://idp.example/keys',
  algorithms: ['ES256'],
} as const;
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';

let key: SigningKey;
beforeAll(async () => {
  key = await signingKey('k1', 'RS256');
});

function settingsOf(entry: Record<string, unknown>) {
  const [settings] = stepUpIssuers.parse([entry]);
  if (settings === undefined) throw new Error('one entry gives one issuer');
  return settings;
}

/** What is wrong with an entry: path and message of each problem. */
function problemsOf(...entries: unknown[]): string[] {
  const parsed = stepUpIssuers.safeParse(entries);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
}

describe('an entry without preset', () => {
  test('An entry without preset fills in the defaults', () => {
    expect(settingsOf(GENERIC)).toEqual({
      name: ISSUER,
      preset: null,
      issuer: { kind: 'exact', value: ISSUER },
      audience: [AUDIENCE],
      audienceRequired: true,
      keys: { kind: 'uri', uri: 'https://idp.example/keys' },
      algorithms: ['ES256'],
      types: null,
      tokenType: null,
      subjectClaim: 'sub',
      subjects: 'default',
      sessionClaim: 'sid',
      stepUp: { kind: 'equals', claim: 'su', equals: true },
      authTime: 'or_iat',
      acrOrder: null,
      acrNumbers: false,
      maxAgeSeconds: 600,
      toleranceSeconds: 5,
      maxLifetimeSeconds: 86_400,
      keysCacheSeconds: 600,
      keysCooldownSeconds: 30,
      staleKeysSeconds: 3600,
      client: null,
    });
  });

  const JWK = { kty: 'EC', crv: 'P-256', alg: 'ES256', kid: 'k', x: 'AA', y: 'AA', d: 'AA' };

  test('An entry without preset with a client_id is one that this service steps up at', () => {
    expect(settingsOf({ ...GENERIC, client_id: 'stepgate' })).toMatchObject({
      // An ID token is made for the client.
      audience: [AUDIENCE, 'stepgate'],
      client: {
        id: 'stepgate',
        authentication: { kind: 'none' },
        metadata: `${ISSUER}/.well-known/openid-configuration`,
        scope: 'openid',
        parameters: {},
      },
    });
    expect(settingsOf({ ...GENERIC, audience: undefined, client_id: 'stepgate' }).audience).toEqual(['stepgate']);
    const secret = settingsOf({ ...GENERIC, client_id: 'x', client_secret: 's', scope: 'openid pay' }).client;
    expect(secret).toMatchObject({ authentication: { kind: 'secret', secret: 's' }, scope: 'openid pay' });
    const key = settingsOf({ ...GENERIC, client_id: 'x', client_key: JWK }).client;
    expect(key?.authentication).toEqual({ kind: 'private_key', jwk: JWK });
    const descope = settingsOf({ preset: 'descope', project_id: 'P2abc', client_id: 'x' }).client;
    expect(descope?.metadata).toBe('https://api.descope.com/P2abc/.well-known/openid-configuration');
  });

  test.each([
    ['a secret without a client', { client_secret: 's' }, '0.client_secret has no effect without client_id'],
    ['a secret and a key', { client_id: 'x', client_secret: 's', client_key: JWK }, '0.client_key is set beside'],
    ['a public key', { client_id: 'x', client_key: { ...JWK, d: undefined } }, 'has to be a private key as a JWK'],
    ['a scope without openid', { client_id: 'x', scope: 'pay' }, '0.scope has to name openid'],
    [
      'a parameter of the flow',
      { client_id: 'x', authorization_parameters: { state: 'x' } },
      '0.authorization_parameters.state is set by the step-up itself',
    ],
    ['metadata over plain http', { client_id: 'x', issuer: 'http://idp.example' }, '0.client_id metadata over plain'],
  ])('An entry without preset with %s is refused before anybody steps up', (_what, changes, problem) => {
    expect(problemsOf({ ...GENERIC, ...changes }).join('\n')).toContain(problem);
  });

  /** @see https://github.com/honojs/hono/security/advisories/GHSA-3vhc-576x-3qv4 */
  test.each([
    ['no issuer', { issuer: undefined }, '0.issuer'],
    ['no audience', { audience: undefined }, '0.audience is missing'],
    ['an empty audience', { audience: [] }, '0.audience'],
    ['no algorithms', { algorithms: undefined }, '0.algorithms is missing'],
    ['an empty list of algorithms', { algorithms: [] }, '0.algorithms'],
    ['a symmetric algorithm', { algorithms: ['ES256', 'HS256'] }, 'symmetric algorithms (HS256, …) are never accepted'],
    ['the algorithm none', { algorithms: ['none'] }, '"none" and symmetric'],
    ['no keys', { jwks_uri: undefined }, '0.jwks_uri is missing'],
    ['two places for keys', { discovery: true }, 'only one of jwks_uri, jwks and discovery'],
    ['keys over plain http', { jwks_uri: 'http://idp.example/keys' }, 'can be forged in transit'],
    ['a symmetric key', { jwks_uri: undefined, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'public keys only'],
    ['a private key', { jwks_uri: undefined, jwks: { keys: [{ kty: 'EC', d: 'AAAA' }] } }, 'public keys only'],
    ['an unknown setting', { audiences: ['x'] }, 'Unrecognized key: "audiences"'],
    ['an unknown preset', { preset: 'facebook' }, '0.preset'],
    ['two marks of a step-up', { step_up: { acr_values: ['2'], amr: ['mfa'] } }, '0.step_up must be'],
    ['a tolerance of ten minutes', { clock_tolerance_s: 600 }, '0.clock_tolerance_s'],
    ['a negative age', { max_age: -1 }, '0.max_age'],
    ['an order that names a value twice', { acr_order: ['1', '2', '1'] }, 'names a value twice'],
    ['a mark outside the order', { acr_order: ['1', '2'], step_up: { acr_values: ['3'] } }, 'lacks 3 of step_up'],
  ])('An entry without preset with %s is refused', (_what, changes, problem) => {
    expect(problemsOf({ ...GENERIC, ...changes }).join('\n')).toContain(problem);
  });

  test('An entry without preset may speak plain http with its own machine, or where it is told to', () => {
    expect(problemsOf({ ...GENERIC, jwks_uri: 'http://127.0.0.1:8080/keys' })).toEqual([]);
    expect(problemsOf({ ...GENERIC, jwks_uri: 'http://keycloak:8080/keys', allow_http: true })).toEqual([]);
    expect(problemsOf({ ...GENERIC, jwks_uri: 'http://localhost.evil.example/keys' })).toHaveLength(1);
  });

  test('An entry without preset for an issuer that another entry stands for is refused', () => {
    expect(problemsOf(GENERIC, { ...GENERIC, audience: 'other' })).toEqual([
      '1 entry 0 already covers the issuer https://idp.example; put all audiences in one entry',
    ]);
  });

  test('An entry without preset for one address of a Descope project that another entry stands for is refused, in either order', () => {
    const address = { ...GENERIC, issuer: 'https://api.descope.com/v1/apps/P2abc' };
    const project = { preset: 'descope', project_id: 'P2abc' };
    expect(problemsOf(address, project)).toHaveLength(1);
    expect(problemsOf(project, address)).toHaveLength(1);
  });

  test('An entry without preset is read from the text of the setting', () => {
    expect(stepUpIssuersText.parse(JSON.stringify([GENERIC]))).toHaveLength(1);
    expect(stepUpIssuersText.parse('[]')).toEqual([]);
    expect(stepUpIssuersText.safeParse('[{').error?.issues[0]?.message).toContain('is not JSON');
    expect(stepUpIssuersText.safeParse('{}').success).toBe(false);
  });
});

describe('presets', () => {
  test.each([
    [
      { preset: 'auth0', domain: 'example.eu.auth0.com', audience: 'https://api.example' },
      'https://example.eu.auth0.com/',
      { kind: 'uri', uri: 'https://example.eu.auth0.com/.well-known/jwks.json' },
      { kind: 'amr', values: ['mfa'] },
    ],
    [
      { preset: 'keycloak', base: 'https://sso.example/', realm: 'shop', audience: 'api' },
      'https://sso.example/realms/shop',
      { kind: 'uri', uri: 'https://sso.example/realms/shop/protocol/openid-connect/certs' },
      { kind: 'acr', values: ['2'] },
    ],
    [
      { preset: 'okta', domain: 'example.okta.com', audience: 'api://default' },
      'https://example.okta.com/oauth2/default',
      { kind: 'uri', uri: 'https://example.okta.com/oauth2/default/v1/keys' },
      { kind: 'acr', values: ['urn:okta:loa:2fa:any', 'phr', 'phrh'] },
    ],
    [
      { preset: 'okta', domain: 'example.okta.com', server: null, audience: 'https://example.okta.com' },
      'https://example.okta.com',
      { kind: 'uri', uri: 'https://example.okta.com/oauth2/v1/keys' },
      { kind: 'acr', values: ['urn:okta:loa:2fa:any', 'phr', 'phrh'] },
    ],
    [
      { preset: 'entra', tenant: TENANT.toUpperCase(), audience: 'api://app', auth_context: 'c1' },
      `https://login.microsoftonline.com/${TENANT}/v2.0`,
      { kind: 'uri', uri: `https://login.microsoftonline.com/${TENANT}/discovery/v2.0/keys` },
      { kind: 'includes', claim: 'acrs', includes: 'c1' },
    ],
    [
      { preset: 'entra', version: 'v1', tenant: TENANT, audience: 'api://app', step_up: { amr: ['mfa'] } },
      `https://sts.windows.net/${TENANT}/`,
      { kind: 'uri', uri: `https://login.microsoftonline.com/${TENANT}/discovery/keys` },
      { kind: 'amr', values: ['mfa'] },
    ],
    [
      { preset: 'oidc', issuer: 'https://idp.example/', audience: 'api', step_up: { acr_values: ['gold'] } },
      'https://idp.example/',
      { kind: 'discovery', uri: 'https://idp.example/.well-known/openid-configuration' },
      { kind: 'acr', values: ['gold'] },
    ],
    [
      { preset: 'descope', project_id: 'P2abcDEF' },
      'P2abcDEF',
      { kind: 'uri', uri: 'https://api.descope.com/v2/keys/P2abcDEF' },
      { kind: 'equals', claim: 'su', equals: true },
    ],
  ])('%j knows its provider', (entry, name, keys, stepUp) => {
    expect(settingsOf(entry)).toMatchObject({ name, keys, stepUp, algorithms: ['RS256'] });
  });

  test.each([
    ['auth0 without audience', { preset: 'auth0', domain: 'a.auth0.com' }, '0.audience is missing'],
    [
      'auth0 with an address for a domain',
      { preset: 'auth0', domain: 'https://a.auth0.com', audience: 'x' },
      '0.domain',
    ],
    ['entra for any tenant', { preset: 'entra', tenant: 'common', audience: 'x', auth_context: 'c1' }, '0.tenant'],
    ['entra without a mark', { preset: 'entra', tenant: TENANT, audience: 'x' }, '0.auth_context is missing'],
    ['oidc without a mark', { preset: 'oidc', issuer: ISSUER, audience: 'x' }, '0.step_up is missing'],
    ['descope without project', { preset: 'descope' }, '0.project_id'],
    ['descope with the setting of another', { preset: 'descope', project_id: 'P2', realm: 'x' }, 'Unrecognized key'],
  ])('%s is refused', (_what, entry, problem) => {
    expect(problemsOf(entry).join('\n')).toContain(problem);
  });

  test('Every default gives way to the entry', () => {
    const settings = settingsOf({
      preset: 'keycloak',
      base: 'https://sso.example',
      realm: 'shop',
      audience: ['a', 'b'],
      algorithms: ['PS256'],
      typ: ['application/AT+JWT'],
      token_type_claim: null,
      subject_claim: 'preferred_username',
      session_claim: null,
      step_up: { claim: 'gold', equals: true },
      auth_time: 'or_iat',
      max_age: 60,
      clock_tolerance_s: 0,
      max_lifetime_s: 300,
      jwks_uri: 'https://sso.example/other',
    });
    expect(settings).toMatchObject({
      audience: ['a', 'b'],
      algorithms: ['PS256'],
      types: ['at+jwt'],
      tokenType: null,
      subjectClaim: 'preferred_username',
      sessionClaim: null,
      stepUp: { kind: 'equals', claim: 'gold', equals: true },
      acrOrder: null,
      authTime: 'or_iat',
      maxAgeSeconds: 60,
      toleranceSeconds: 0,
      maxLifetimeSeconds: 300,
      keys: { kind: 'uri', uri: 'https://sso.example/other' },
    });
  });
});

describe('tokens as the providers make them', () => {
  const fetch = () => Promise.reject(new Error('inline keys need no network'));
  const jwks = () => ({ keys: [key.jwk] });
  const demand = (acrValues: string[]) => ({
    acrValues,
    amrValues: [],
    maxAgeSeconds: 600,
    singleUse: false,
    unsatisfiable: false,
  });
  const base = { su: undefined, amr: undefined, acr: undefined };

  test('The Keycloak preset accepts an access token at level 2, not its ID, refresh or weaker token', async () => {
    const verifier = joseVerifier({
      issuers: stepUpIssuers.parse([
        { preset: 'keycloak', base: 'https://sso.example', realm: 'shop', audience: 'api', jwks: jwks() },
      ]),
      fetch,
    });
    const claims = { ...base, iss: 'https://sso.example/realms/shop', aud: ['api', 'account'], sid: 's1' };
    const access = await proofOf(verifier, await sign(key, { ...claims, typ: 'Bearer', acr: '2' }));
    expect(access).toMatchObject({ steppedUp: true, session: 's1' });
    const weak = await proofOf(verifier, await sign(key, { ...claims, typ: 'Bearer', acr: '1' }));
    expect(weak).toMatchObject({ steppedUp: false, stepUpFlaw: 'acr is "1", expected 2' });
    expect((await proofOf(verifier, await sign(key, { ...claims, typ: 'Bearer', acr: '3' }))).steppedUp).toBe(true);
    for (const typ of ['ID', 'Refresh']) {
      expect((await refusalOf(verifier, await sign(key, { ...claims, typ, acr: '2' }))).code).toBe('token_type');
    }
    const renewed = await proofOf(
      verifier,
      await sign(key, { ...claims, typ: 'Bearer', acr: '2', auth_time: undefined }),
    );
    expect(renewed.steppedUp).toBe(false);
  });

  test('The Entra preset takes the authentication context for the class that a rule demands', async () => {
    const verifier = joseVerifier({
      issuers: stepUpIssuers.parse([
        { preset: 'entra', tenant: TENANT, audience: 'api://app', auth_context: 'c1', jwks: jwks() },
      ]),
      fetch,
    });
    const claims = {
      ...base,
      iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      aud: 'api://app',
      oid: 'u1',
      sub: 'x',
    };
    const proof = await proofOf(verifier, await sign(key, { ...claims, acrs: ['c2', 'c1'] }));
    expect(proof).toMatchObject({ steppedUp: true, subject: 'u1', acr: 'c1' });
    expect(
      judgeProof(proof, demand(['c1']), {
        subject: 'u1',
        subjectSpace: 'default',
        subjectType: 'user',
        session: null,
        nowMs: NOW_MS,
      }).satisfied,
    ).toBe(true);
    for (const acrs of [['c2'], 'c1', undefined]) {
      expect((await proofOf(verifier, await sign(key, { ...claims, acrs }))).steppedUp).toBe(false);
    }
  });

  test('Auth0 and Okta: a second factor is seen in amr, or in an acr that one factor cannot meet', async () => {
    const verifier = joseVerifier({
      issuers: stepUpIssuers.parse([
        { preset: 'auth0', subjects: 'auth0', domain: 'a.auth0.com', audience: 'api', jwks: jwks() },
        { preset: 'okta', subjects: 'okta', domain: 'a.okta.com', audience: 'api', jwks: jwks() },
      ]),
      fetch,
    });
    const steppedUp = async (claims: Record<string, unknown>) =>
      (await proofOf(verifier, await sign(key, { ...base, aud: 'api', ...claims }))).steppedUp;
    const auth0 = { iss: 'https://a.auth0.com/' };
    expect(await steppedUp({ ...auth0, amr: ['pwd', 'mfa'] })).toBe(true);
    expect(await steppedUp({ ...auth0, amr: ['pwd'] })).toBe(false);
    expect(await steppedUp({ ...auth0, amr: 'mfa' })).toBe(false);
    const okta = { iss: 'https://a.okta.com/oauth2/default' };
    expect(await steppedUp({ ...okta, acr: 'phr' })).toBe(true);
    expect(await steppedUp({ ...okta, acr: 'urn:okta:loa:2fa:any:ifpossible' })).toBe(false);
  });
});

test.each([
  ['P2abc', true],
  ['https://api.descope.com/P2abc', true],
  ['https://api.descope.com/v1/apps/P2abc', true],
  ['https://api.descope.com/v1/apps/agentic/P2abc/MS1', true],
  ['https://auth.example.com/P2abc/', true],
  ['https://api.descope.com/P2abc/v1/apps', false],
  ['https://api.descope.com/P2abcd', false],
  ['https://api.descope.com/p2abc', false],
  ['http://api.descope.com/P2abc', false],
  ['https://api.descope.com/x?P2abc', false],
  ['https://api.descope.com/x#/P2abc', false],
  ['evil/P2abc', false],
  ['', false],
])('iss %j names the Descope project P2abc: %s', (iss, expected) => {
  expect(isIssuedBy({ issuer: { kind: 'project', id: 'P2abc' } }, iss)).toBe(expected);
});

describe('the subject spaces of several issuers', () => {
  const bank = { ...GENERIC, issuer: 'https://bank.example' };
  const shop = { ...GENERIC, issuer: 'https://shop.example' };
  const spacesOf = (...entries: object[]) => stepUpIssuers.parse(entries).map(({ subjects }) => subjects);

  test('A single issuer need not say, and has the default one', () => {
    expect(spacesOf(bank)).toEqual(['default']);
    expect(spacesOf({ ...bank, subjects: 'bank' })).toEqual(['bank']);
  });

  test.each([
    ['neither says', bank, shop, 'https://bank.example and https://shop.example:'],
    ['only the first says', { ...bank, subjects: 'bank' }, shop, 'https://shop.example:'],
    ['only the second says', bank, { ...shop, subjects: 'default' }, 'https://bank.example:'],
  ])('Two of which %s are refused, both named, with what to write', (_what, one, other, silent) => {
    const problems = problemsOf(one, other);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('https://bank.example and https://shop.example may use one id for two people');
    expect(problems[0]).toContain(`Write "subjects": "<name>" in the entry of ${silent}`);
  });

  test('Two that say may have two, or one where both say so', () => {
    expect(spacesOf({ ...bank, subjects: 'bank' }, { ...shop, subjects: 'shop' })).toEqual(['bank', 'shop']);
    expect(spacesOf({ ...bank, subjects: 'default' }, { ...shop, subjects: 'default' })).toEqual([
      'default',
      'default',
    ]);
  });

  test.each(['', 'Bank', '1st', 'a b', 'bank\0', 'a'.repeat(33), 7, null])('%j names none', (subjects) => {
    expect(problemsOf({ ...bank, subjects })[0]).toMatch(/^0\.subjects /);
  });
});
