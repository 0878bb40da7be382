import { readFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noGeo } from '../../../src/data/geo/no-geo.ts';
import { NO_REPUTATION } from '../../../src/data/lists/standing.ts';
import type { ProofVerifier } from '../../../src/model/proof.ts';
import { noLog } from '../../../src/records/log.ts';
import { prometheusMetrics } from '../../../src/records/prometheus.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { type GatewayScene, type GatewaySceneOptions, gatewayScene } from '../../support/gateway-scene.ts';
import { issuer } from '../../support/issuer.ts';
import { API_KEY, NOW_MS } from '../../support/scene.ts';
import type { Reply } from '../../support/servers/http.ts';

const POLICY: object = JSON.parse(readFileSync(new URL('../../../rules/default.json', import.meta.url), 'utf8'));
const NEW_DEVICE = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };

/** The shipped policy, behind a gateway. */
const shipped = (options: GatewaySceneOptions = {}): Promise<GatewayScene> =>
  gatewayScene({ rules: POLICY, ...options });

let rig: GatewayScene;
let ann: string;
let mallory: string;
beforeAll(async () => {
  rig = await shipped();
  ann = await rig.token({ sub: 'ann' });
  mallory = await rig.token({ sub: 'mallory', su: true });
});
afterAll(() => rig.close());

/** What the records of the rig say of the session of the last request. */
async function recorded(of: GatewayScene = rig) {
  await of.settled();
  const { facts, decision, score = 0 } = of.records.at(-1) ?? {};
  return { state: facts?.['session.credential'], code: facts?.['session.code'], decision, score };
}

const GUARDED = [
  ['POST', '/api/transfers'],
  ['PUT', '/api/password'],
  ['DELETE', '/admin/users/1'],
] as const;

/** `OCTAL` stands for a quoted value in which Python undoes an escape. */
function withTokens(headers: Record<string, string | string[]>): Record<string, string | string[]> {
  const fill = (text: string): string =>
    text
      .replaceAll('OCTAL', `"\\145${ann.slice(1)}"`)
      .replaceAll('ANN', ann)
      .replaceAll('MALLORY', mallory);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(fill) : fill(value)]),
  );
}

describe('a session that cannot be read as every application reads it', () => {
  const COOKIE = { Cookie: 'session=MALLORY' };
  const FORMS: readonly (readonly [string, Record<string, string | string[]>])[] = [
    ['two Authorization lines', { ...COOKIE, Authorization: ['Bearer ANN', 'Bearer ANN'] }],
    ['two Authorization lines as a list', { ...COOKIE, Authorization: 'Bearer ANN, Bearer ANN' }],
    ['text behind the token', { ...COOKIE, Authorization: 'Bearer ANN x' }],
    ['a tab for the blank', { ...COOKIE, Authorization: 'Bearer\tANN' }],
    ['Basic beside the cookie', { ...COOKIE, Authorization: 'Basic eDp5' }],
    ['DPoP beside the cookie', { ...COOKIE, Authorization: 'DPoP ANN' }],
    ['a quoted cookie with an octal escape', { Cookie: 'session=MALLORY; session=OCTAL' }],
    ['the octal escape alone beside a bearer token', { Cookie: 'session=OCTAL', Authorization: 'Bearer MALLORY' }],
    ['a blank between cookies', { Cookie: 'a=b session=ANN', Authorization: 'Bearer MALLORY' }],
    ['an unclosed quote', { Cookie: 'session="ANNx; session=MALLORY' }],
    ['two cookies of one name', { Cookie: 'session=MALLORY; session=ANN' }],
    ['a cookie in another case', { Cookie: 'Session=ANN; session=MALLORY' }],
    ['an encoded name', { Cookie: '%73ession=ANN; session=MALLORY' }],
  ];

  test.each(FORMS)('(%s) passes no guarded action, whatever proof comes along', async (_case, headers) => {
    for (const proof of [
      {},
      { 'X-Step-Up-Token': mallory },
      { 'X-Step-Up-Token': await rig.token({ sub: 'ann', su: true }) },
    ]) {
      for (const [method, uri] of GUARDED) {
        const answer = await rig.forward(method, uri, { ...NEW_DEVICE, ...withTokens(headers), ...proof });
        expect(answer).toMatchObject({
          status: 403,
          headers: {
            'x-stepgate-error': 'session_unread',
            'x-stepgate-subject': '',
            'x-stepgate-decision': 'deny',
            'x-stepgate-reasons': expect.stringMatching(/^session_unread,(?:authorization|cookie)_\w+(?:,|$)/),
          },
        });
        expect(answer.headers).not.toHaveProperty('set-cookie');
        expect(await recorded()).toMatchObject({ state: 'unread', decision: 'deny' });
      }
    }
    const envoy = await rig.ask(
      '/ext-authz/api/transfers',
      { 'X-Stepgate-Key': API_KEY, ...withTokens(headers) },
      'POST',
    );
    expect(envoy).toMatchObject({ status: 403, headers: { 'x-stepgate-error': 'session_unread' } });
  });

  test.each(FORMS)(
    '(%s) is asked on a page of a person and leaves open pages open, with the fact',
    async (_case, headers) => {
      const client = { ...NEW_DEVICE, ...withTokens(headers) };
      expect(await rig.forward('GET', '/api/profile', client)).toMatchObject({
        status: 401,
        headers: { 'x-stepgate-subject': '', 'x-stepgate-reasons': expect.stringContaining('session_not_accepted') },
      });
      expect((await recorded()).score).toBeGreaterThan(0);
      expect(await rig.forward('GET', '/api/catalogue/7', client)).toMatchObject({
        status: 200,
        headers: { 'x-stepgate-subject': '', 'x-stepgate-error': '', 'x-stepgate-reasons': /^session_unread,/ },
      });
      expect(await recorded()).toMatchObject({
        state: 'unread',
        code: expect.stringMatching(/^\w+$/),
        decision: 'allow',
      });
    },
  );

  test('A session that cannot be read as every application reads it is also one of several Cookie lines, of which servers take the first, the last or all', async () => {
    const answer = await rig.raw(
      [
        'GET /forward-auth HTTP/1.1',
        'Host: hook',
        'Connection: close',
        `X-Stepgate-Key: ${API_KEY}`,
        'X-Forwarded-Method: POST',
        'X-Forwarded-Uri: /api/transfers',
        'Cookie: a=b',
        `Cookie: session=${mallory}`,
        '',
        '',
      ].join('\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer.toLowerCase()).toContain('x-stepgate-error: session_unread');
    expect(await recorded()).toMatchObject({ state: 'unread', code: 'cookie_lines' });
  });

  test('A session that cannot be read as every application reads it holds a request up where only one of the actions that it may be is guarded', async () => {
    const headers = withTokens({ Authorization: 'Bearer ANN x', 'X-Step-Up-Token': 'MALLORY' });
    for (const uri of ['/api/catalogue/..%2f..%2fadmin/x', '/api/catalogue/x/../../../admin']) {
      expect(await rig.forward('GET', uri, headers)).toMatchObject({
        status: 403,
        headers: { 'x-stepgate-error': 'session_unread' },
      });
    }
  });

  test('A session that cannot be read as every application reads it is never milder than the readable form of the same request', async () => {
    const own = await shipped();
    const login = { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160', session: 's1' };
    await own.post('/v1/events', { ...login, device: { fingerprint: '7d793037a0760186574b0282f2f435e7' } });
    await own.settled();
    const token = await own.token({ sub: 'ann' });
    const away = { ...NEW_DEVICE, 'X-Forwarded-For': '200.160.2.3' };
    const readable = await own.forward('GET', '/api/profile', { ...away, Authorization: `Bearer ${token}` });
    expect(readable).toMatchObject({ status: 401, headers: { 'x-stepgate-subject': 'ann' } });
    const unread = await own.forward('GET', '/api/profile', {
      ...away,
      Authorization: `Bearer ${token}, Bearer ${token}`,
    });
    expect(unread.status).toBe(401);
    expect(await recorded(own)).toMatchObject({ state: 'unread', code: 'authorization_unreadable' });
    await own.close();
  });
});

test('Sessions of two persons pass no guarded action and are a fact on open pages', async () => {
  const headers = { Authorization: `Bearer ${mallory}`, Cookie: `session=${ann}` };
  const guarded = await rig.forward('POST', '/api/transfers', headers);
  expect(guarded).toMatchObject({
    status: 403,
    headers: { 'x-stepgate-error': 'session_ambiguous', 'x-stepgate-subject': '' },
  });
  const open = await rig.forward('GET', '/api/catalogue/7', headers);
  expect(open).toMatchObject({ status: 200, headers: { 'x-stepgate-subject': '', 'x-stepgate-error': '' } });
  expect(await recorded()).toMatchObject({ state: 'ambiguous', code: 'two_subjects' });
});

describe('a token in the query', () => {
  test('A token in the query is a session like any other: of somebody else it passes no guarded action beside a stepped-up one', async () => {
    for (const own of [{ Cookie: `session=${mallory}` }, { Authorization: `Bearer ${mallory}` }]) {
      for (const [method, uri] of GUARDED) {
        const answer = await rig.forward(method, `${uri}?access_token=${ann}`, { ...NEW_DEVICE, ...own });
        expect(answer).toMatchObject({
          status: 403,
          headers: { 'x-stepgate-error': 'session_ambiguous', 'x-stepgate-subject': '' },
        });
      }
    }
    expect(await recorded()).toMatchObject({ state: 'ambiguous', code: 'two_subjects' });
  });

  test('A token in the query names its subject where it is alone, and is told where it is refused or cannot be read', async () => {
    const by = (token: string) => rig.forward('POST', `/api/transfers?access_token=${token}`, NEW_DEVICE);
    expect((await by(ann)).headers['x-stepgate-subject']).toBe('ann');
    expect(await by('2YotnFZFEjr1zCsicMWpAA')).toMatchObject({
      status: 401,
      headers: { 'x-stepgate-error': 'session_refused', 'x-stepgate-reasons': /^session_refused,opaque/ },
    });
    expect(await by(`%22${ann}%22`)).toMatchObject({
      status: 403,
      headers: { 'x-stepgate-error': 'session_unread', 'x-stepgate-reasons': /^session_unread,query_unreadable/ },
    });
  });

  test('A token in the query is something that an application could act upon, so that OPTIONS with one is no preflight', async () => {
    const preflight = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
    const at = (uri: string) => rig.forward('OPTIONS', uri, preflight);
    expect((await at('/admin/users')).status).toBe(200);
    expect((await at(`/admin/users?access_token=${ann}`)).status).toBe(401);
  });
});

test('A session keeps its facts whoever’s proof comes along', async () => {
  const own = await shipped();
  const device = { fingerprint: '7d793037a0760186574b0282f2f435e7' };
  await own.post('/v1/events', { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160', session: 'j1', device });
  await own.settled();
  const stolen = { ...NEW_DEVICE, Authorization: `Bearer ${await own.token({ sub: 'ann', jti: 'j1' })}` };
  for (const proof of [{}, { 'X-Step-Up-Token': await own.token({ sub: 'mallory', su: true, sid: 'm1' }) }]) {
    await own.forward('POST', '/api/transfers', { ...stolen, ...proof });
    await own.settled();
    expect(own.records.at(-1)?.facts).toMatchObject({ 'session.device_changed': true });
  }
  await own.close();
});

describe('a session that was refused', () => {
  const refusals: readonly (readonly [string, string, () => Promise<string>])[] = [
    ['has run out', 'expired', () => rig.token({ sub: 'ann' }, 7200)],
    [
      'has an auth_time in ISO text',
      'auth_time_invalid',
      () => rig.token({ sub: 'ann', auth_time: '2026-11-25T01:59:50Z' }),
    ],
    [
      'has an auth_time as digits in a string',
      'auth_time_invalid',
      () => rig.token({ sub: 'ann', auth_time: String(NOW_MS / 1000) }),
    ],
    ['has an auth_time in milliseconds', 'auth_time_invalid', () => rig.token({ sub: 'ann', auth_time: NOW_MS })],
    ['has the auth_time 0', 'auth_time_invalid', () => rig.token({ sub: 'ann', auth_time: 0 })],
    ['is of a key that nobody knows', 'signature_invalid', () => rig.forged({ sub: 'ann' })],
    ['is opaque', 'opaque', async () => '2YotnFZFEjr1zCsicMWpAA'],
    ['is no JWT, though it has three parts', 'malformed', async () => 'a.b.c'],
  ];

  /** @see https://github.com/IdentityServer/IdentityServer3.AccessTokenValidation/issues/150 */
  test.each(refusals)(
    'A session that was refused because it %s asks for a new log-in on a guarded action, and is no anonymous one',
    async (_case, code, make) => {
      const token = await make();
      for (const client of [{ Authorization: `Bearer ${token}` }, { Cookie: `session=${token}` }]) {
        for (const [method, uri] of GUARDED) {
          const answer = await rig.forward(method, uri, { ...NEW_DEVICE, ...client, 'X-Step-Up-Token': mallory });
          expect(answer).toMatchObject({
            status: 401,
            headers: {
              'www-authenticate': expect.stringMatching(
                new RegExp(`^Bearer error="invalid_token", error_description="${code}: `),
              ),
              'x-stepgate-error': 'session_refused',
              'x-stepgate-subject': '',
              'x-stepgate-decision': 'step-up',
            },
          });
          expect(JSON.parse(answer.text)).toMatchObject({ error: 'invalid_token' });
          expect(await recorded()).toMatchObject({ state: 'refused', code });
        }
        const profile = await rig.forward('GET', '/api/profile', client);
        expect(profile.status).toBe(401);
        expect(await recorded()).toMatchObject({
          state: 'refused',
          code,
          score: expect.toSatisfy((score: number) => score >= 30),
        });
        const open = await rig.forward('GET', '/api/catalogue/7', client);
        expect(open).toMatchObject({ status: 200, headers: { 'x-stepgate-reasons': `session_refused,${code}` } });
        expect(await recorded()).toMatchObject({ state: 'refused', code, decision: 'allow' });
      }
    },
  );

  test('A session that was refused by its audience or issuer is told too, and so is a DPoP token without its proof', async () => {
    const own = await shipped({ issuers: [issuer({ name: 'https://other.test' }).entry()] });
    for (const [authorization, code] of [[`Bearer ${ann}`, 'issuer_unknown']] as const) {
      const answer = await own.forward('POST', '/api/transfers', { Authorization: authorization });
      expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-error': 'session_refused' } });
      expect(answer.headers['www-authenticate']).toContain(`error="invalid_token", error_description="${code}`);
      expect(await recorded(own)).toMatchObject({ state: 'refused', code });
    }
    const bare = await own.forward('POST', '/api/transfers', { Authorization: `DPoP ${ann}` });
    expect(bare).toMatchObject({ status: 401, headers: { 'x-stepgate-error': 'session_refused' } });
    expect(bare.headers['www-authenticate']).toContain(
      'DPoP error="invalid_dpop_proof", error_description="dpop_missing',
    );
    expect(await recorded(own)).toMatchObject({ state: 'refused', code: 'dpop_missing' });
    await own.close();
    const none = await shipped({ issuers: [] });
    await none.forward('POST', '/api/transfers', { Authorization: `Bearer ${ann}` });
    expect(await recorded(none)).toMatchObject({ state: 'refused', code: 'no_issuer' });
    await none.close();
  });

  test('A session that was refused does not keep anybody from logging in', async () => {
    const answer = await rig.forward('POST', '/api/login', { Cookie: 'session=opaque' });
    expect(answer.headers['x-stepgate-error']).toBe('');
    expect(answer.headers['x-stepgate-reasons']).not.toContain('session_not_accepted');
  });

  test('A session that was refused beside one that is accepted leaves open whom the application serves, unless it has merely run out and is of the same person', async () => {
    const bearer = { Authorization: `Bearer ${mallory}` };
    const cases: readonly (readonly [string, number])[] = [
      ['opaque', 401],
      [await rig.forged({ sub: 'mallory' }), 401],
      [await rig.token({ sub: 'ann' }, 7200), 401],
      [await rig.token({ sub: 'mallory' }, 7200), 200],
    ];
    for (const [cookie, status] of cases) {
      const answer = await rig.forward('GET', '/admin/x', { ...bearer, Cookie: `session=${cookie}` });
      expect(answer).toMatchObject({ status, headers: { 'x-stepgate-subject': status === 200 ? 'mallory' : '' } });
    }
  });

  test('A session that was refused by a rule that denies stays denied', async () => {
    const rules = {
      version: 1,
      default: 'deny',
      actions: { page: { routes: ['GET /page'] } },
      rules: [{ id: 'never', when: { action: 'nothing' }, then: { points: 1 } }],
    };
    const own = await gatewayScene({ rules });
    const answer = await own.forward('GET', '/page', { Authorization: 'Bearer opaque' });
    expect(answer).toMatchObject({ status: 403, headers: { 'x-stepgate-error': '' } });
    await own.close();
  });

  test('A session that was refused is counted by state and code', async () => {
    const metrics = prometheusMetrics({
      rules: rig.engine.rules,
      reputation: () => NO_REPUTATION,
      geo: noGeo(),
      now: () => NOW_MS,
    });
    const own = await shipped({ deps: { metrics } });
    for (const client of [{}, { Authorization: 'Bearer opaque' }, { Authorization: 'Bearer a, Bearer a' }]) {
      await own.forward('POST', '/api/transfers', client);
    }
    await own.forward('GET', '/api/catalogue/7', { Authorization: `Bearer ${await own.token({ sub: 'ann' })}` });
    await own.post('/v1/risk-check', { subject: 'ann', action: 'login' });
    await own.settled();
    const { text = '' } = (await metrics.render()) ?? {};
    expect(text.match(/^stepgate_session_credentials_total.*$/gm)?.sort()).toEqual([
      'stepgate_session_credentials_total{state="accepted",code=""} 1',
      'stepgate_session_credentials_total{state="none",code=""} 1',
      'stepgate_session_credentials_total{state="refused",code="opaque"} 1',
      'stepgate_session_credentials_total{state="unread",code="authorization_unreadable"} 1',
    ]);
    await own.close();
  });

  /** @see https://github.com/agentgateway/agentgateway/issues/3057 */
  test('A session that was refused as opaque is warned of once, since nothing here can read such tokens', async () => {
    const warnings: string[] = [];
    const own = await shipped({ deps: { log: { ...noLog, warn: (message) => warnings.push(message) } } });
    for (let call = 0; call < 3; call += 1) await own.forward('GET', '/', { Authorization: 'Bearer opaque' });
    expect(warnings.filter((warning) => warning.includes('opaque'))).toHaveLength(1);
    await own.close();
  });
});

/** @see https://github.com/coreos/go-oidc/pull/482 */
describe('a session of a key that came up just after the keys were fetched', () => {
  async function rotated(entry: object = {}) {
    const [first, second] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
    let [nowMs, published] = [NOW_MS, [{ ...(await exportJWK(first.publicKey)), kid: 'k1', alg: 'ES256' }]];
    const issuers = stepUpIssuers.parse([
      {
        issuer: 'https://issuer.test',
        audience: 'app',
        jwks_uri: 'https://issuer.test/keys',
        algorithms: ['ES256'],
        ...entry,
      },
    ]);
    const verifier = joseVerifier({ issuers, fetch: async () => Response.json({ keys: published }) });
    const own = await shipped({ verifier, now: () => nowMs });
    const sign = (key: CryptoKey, kid: string, claims: JWTPayload = {}) =>
      new SignJWT({ sub: 'ann', auth_time: NOW_MS / 1000 - 10, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer('https://issuer.test')
        .setAudience('app')
        .setIssuedAt(NOW_MS / 1000 - 10)
        .setExpirationTime(NOW_MS / 1000 + 3600)
        .sign(key);
    const ask = async (token: string, uri = '/api/profile'): Promise<Reply> =>
      own.forward('GET', uri, { ...NEW_DEVICE, 'X-Forwarded-For': '200.160.2.3', Authorization: `Bearer ${token}` });
    await ask(await sign(first.privateKey, 'k1'));
    published = [...published, { ...(await exportJWK(second.publicKey)), kid: 'k2', alg: 'ES256' }];
    return {
      own,
      ask,
      token: await sign(second.privateKey, 'k2'),
      proof: await sign(second.privateKey, 'k2', { su: true }),
      at: (seconds: number) => {
        nowMs = NOW_MS + seconds * 1000;
      },
    };
  }

  test('A session of a key that came up just after the keys were fetched is held up, told when to come again, and then taken; it is never anonymous', async () => {
    const { own, ask, token, at } = await rotated();
    at(6);
    for (const uri of ['/api/profile', '/admin/x']) {
      const early = await ask(token, uri);
      expect(early).toMatchObject({
        status: 401,
        headers: {
          'x-stepgate-degraded': 'step_up',
          'retry-after': '24',
          'x-stepgate-subject': '',
          'x-stepgate-error': '',
        },
      });
      expect(early.headers['www-authenticate']).toContain('keys_cooling');
      expect(early.headers['www-authenticate']).not.toContain('issuer.test');
      expect(await recorded(own)).toMatchObject({ state: 'refused', code: 'keys_cooling' });
    }
    at(31);
    expect((await ask(token)).headers['x-stepgate-subject']).toBe('ann');
    await own.close();
  });

  test('A session of a key that came up just after the keys were fetched as proof in a check is degraded, and counts as nobody’s failure', async () => {
    const { own, proof, at } = await rotated();
    at(6);
    for (let call = 0; call < 3; call += 1) {
      const response = await own.post('/v1/risk-check', {
        subject: 'ann',
        action: 'password.change',
        ip: '200.160.2.3',
        step_up_token: proof,
      });
      expect(response.headers.get('Retry-After')).toBe('24');
      expect(await response.json()).toMatchObject({
        decision: 'step-up',
        step_up: { satisfied: false, error: { code: 'keys_cooling' } },
        degraded: [{ part: 'step_up', why: 'keys_cooling' }],
        signals: { velocity: { facts: { 'subject.failures_10m': 0 } }, ip: { facts: { 'ip.failures_10m': 0 } } },
      });
      await own.settled();
    }
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'password.change' },
      resource: { type: 'account', id: '1' },
      context: { ip: '200.160.2.3', step_up_token: proof },
    };
    const evaluated = await own.post('/access/v1/evaluation', question);
    expect(evaluated.headers.get('Retry-After')).toBe('24');
    expect(await evaluated.json()).toMatchObject({ decision: false });
    const { action, ...rest } = question;
    const batch = { ...rest, evaluations: [{ action: { name: 'catalogue.browse' } }, { action }, {}] };
    const several = await own.post('/access/v1/evaluations', batch);
    expect(several.headers.get('Retry-After')).toBe('24');
    const verified = await own.post('/v1/step-up/verify', { token: proof });
    expect(verified.headers.get('Retry-After')).toBe('24');
    expect(await verified.json()).toMatchObject({ valid: false, code: 'keys_cooling' });
    await own.close();
  });

  test('A session of a key that came up just after the keys were fetched waits for as long as the entry says', async () => {
    const { own, ask, token, at } = await rotated({ keys_cooldown_s: 5 });
    at(3);
    expect((await ask(token)).headers['retry-after']).toBe('2');
    at(5);
    expect((await ask(token)).headers['x-stepgate-subject']).toBe('ann');
    await own.close();
  });
});

/** @see https://github.com/Azure/data-api-builder/pull/788 */
test('A session that lives for a week says who it is, and its age is the business of the requirement', async () => {
  const day = 86_400;
  const long = await rig.token({ sub: 'ann', auth_time: NOW_MS / 1000 - day, exp: NOW_MS / 1000 + 6 * day }, day);
  const client = { Authorization: `Bearer ${long}` };
  const profile = await rig.forward('GET', '/api/profile', client);
  expect(profile.headers['x-stepgate-subject']).toBe('ann');
  expect(await recorded()).toMatchObject({ state: 'accepted', code: undefined });
  const transfer = await rig.forward('POST', '/api/transfers', client);
  expect(transfer).toMatchObject({ status: 401, headers: { 'x-stepgate-error': '', 'x-stepgate-subject': 'ann' } });
  expect(transfer.headers['www-authenticate']).toMatch(/^Bearer error="insufficient_user_authentication"/);
});

/** @see https://github.com/openid/authzen/issues/492 */
test('Who acts for a person is a fact, and passes nothing that takes the person', async () => {
  const acting = await rig.token({ sub: 'u1', su: true, act: { sub: 'assistant-7' } });
  for (const client of [
    { Authorization: `Bearer ${acting}` },
    { Authorization: `Bearer ${await rig.token({ sub: 'u1' })}`, Cookie: `session=${acting}` },
  ]) {
    const answer = await rig.forward('PUT', '/api/password', { ...client, 'X-Forwarded-For': '52.95.110.1' });
    expect(answer.status).toBe(401);
    expect(answer.headers['x-stepgate-reasons']).not.toContain('step_up_satisfied');
    await rig.settled();
    const record = rig.records.at(-1);
    expect(record?.facts['session.credential']).toBe('accepted');
    // Who acts may be a person too: the record says that somebody did, and not who.
    expect(record?.erased).toContain('session.actor');
    expect(JSON.stringify(record)).not.toContain('assistant-7');
  }
});

test('Each distinct token is verified once for one call, however many actions it may be', async () => {
  const asked: string[] = [];
  const verifier: ProofVerifier = {
    spaces: ['default'],
    verify: async (token) => {
      asked.push(token);
      return { valid: false, error: { code: 'malformed', message: '', suspicious: false } };
    },
    terms: () => [],
    missingKeys: () => [],
    warm: async () => undefined,
  };
  const own = await shipped({ verifier });
  await own.forward('', '/api/password', {
    Authorization: 'Bearer a.b.c',
    Cookie: 'session=a.b.c; __Host-stepgate-su=d.e.f',
    'X-Step-Up-Token': 'd.e.f',
  });
  expect(asked.sort()).toEqual(['a.b.c', 'd.e.f']);
  asked.length = 0;
  await own.forward('', '/api/password', { 'X-Step-Up-Token': 'd.e.f' });
  expect(asked).toEqual(['d.e.f']);
  await own.close();
});

describe('a CORS preflight', () => {
  const PREFLIGHT = { Origin: 'https://a.example', 'Access-Control-Request-Method': 'POST' };

  test.each([
    'https://a.example',
    'http://localhost:3000',
    'https://[2001:db8::1]:8443',
    'capacitor://localhost',
    'null',
  ])('A CORS preflight of %s passes', async (origin) => {
    const answer = await rig.forward('OPTIONS', '/admin/x', {
      ...PREFLIGHT,
      Origin: origin,
      'X-Stepgate-Has-Body': '0',
    });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-stepgate-reasons': 'preflight' } });
  });

  test.each([
    ['a bearer token', { Authorization: 'Bearer ANN' }],
    ['any other Authorization', { Authorization: 'Basic eDp5' }],
    ['a session cookie', { Cookie: 'session=ANN' }],
    ['any cookie', { Cookie: 'a=b' }],
    ['a step-up token', { 'X-Step-Up-Token': 'ANN' }],
    ['an origin that is none', { Origin: 'x' }],
    ['an origin with a path', { Origin: 'https://a.example/' }],
    ['two origins', { Origin: ['https://a.example', 'https://b.example'] }],
    ['a method that is none', { 'Access-Control-Request-Method': 'x' }],
    ['two methods', { 'Access-Control-Request-Method': 'GET, POST' }],
    ['both made up', { Origin: 'x', 'Access-Control-Request-Method': 'x' }],
    ['a body by the gateway’s word', { 'X-Stepgate-Has-Body': '1' }],
    ['a length by the gateway’s word', { 'X-Stepgate-Has-Body': '8' }],
    ['a body of eight bytes', { 'Content-Length': '8' }],
  ])('A CORS preflight with %s is judged like any request, deny rules included', async (_case, headers) => {
    const sent = { ...PREFLIGHT, ...withTokens(headers) };
    const guarded = await rig.forward('OPTIONS', '/admin/x', sent);
    expect(guarded.status).toBeGreaterThanOrEqual(401);
    expect(guarded.headers['x-stepgate-reasons']).not.toContain('preflight');
    const denying = await gatewayScene();
    const denied = await denying.forward('OPTIONS', '/upload/x', sent);
    expect(
      denied.status === 403 || (denied.status === 401 && denied.headers['x-stepgate-error'] === 'session_refused'),
    ).toBe(true);
    await denying.close();
  });
});
