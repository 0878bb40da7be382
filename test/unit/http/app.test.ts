import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { routesOf } from '../../../src/app/app.ts';
import { geoipLiteSource } from '../../../src/data/geo/local-geo.ts';
import type { Route } from '../../../src/http/api-route.ts';
import { callers } from '../../../src/http/caller.ts';
import { StoreError } from '../../../src/model/store-error.ts';
import { parseTrustedProxies } from '../../../src/net/client-ip.ts';
import { noLog } from '../../../src/records/log.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import type { Store } from '../../../src/store/store.ts';
import { API_KEY, AUTHORIZED, NOW_MS, scene } from '../../support/scene.ts';

/** A store that is out of reach, as the budget in front of a real one reports it. */
function unreachableStore(): Store {
  const unreachable = async (): Promise<never> => {
    throw new StoreError('unreachable', 'no connection');
  };
  const failed = { state: 'failed', why: 'unreachable' } as const;
  return {
    ...memoryStore({ now: () => NOW_MS }),
    recordAttempt: async () => ({ subject: failed, address: failed, device: failed }),
    recordOutcome: unreachable,
    readSubject: unreachable,
    updateBaseline: unreachable,
    forgetSubject: unreachable,
    spendProof: unreachable,
    ping: unreachable,
  };
}

describe('POST /v1/risk-check', () => {
  test('POST /v1/risk-check answers with the decision, why, and the revision of the rules', async () => {
    const { post, engine } = scene();
    const response = await post('/v1/risk-check', {
      subject: 'user-123',
      action: 'payment.transfer',
      ip: '81.2.69.160',
      context: { amount: 1200 },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/json');
    const answer = await response.json();
    expect(answer).toMatchObject({
      decision: 'step-up',
      level: 'low',
      rule: { id: 'large-transfer', file: 'test.json' },
      step_up: { required: true, satisfied: false, acr_values: ['urn:stepgate:su'], max_age: 300, single_use: false },
      degraded: [],
      dry_run: { decision: 'step-up', rules: [] },
      rules_revision: engine.rules().revision,
      latency_ms: 0,
    });
    expect(answer.reasons[0]).toMatchObject({ code: 'large_transfer', rule: 'large-transfer', points: 0 });
    expect(answer.step_up.www_authenticate).toMatch(/^Bearer error="insufficient_user_authentication"/);
    expect(Object.keys(answer.signals)).toEqual(
      expect.arrayContaining(['device', 'ip', 'geo', 'travel', 'velocity', 'client', 'session', 'step_up']),
    );
  });

  test('POST /v1/risk-check answers 200 to a deny: a decision is not an error', async () => {
    const response = await scene().post('/v1/risk-check', { subject: 'root', action: 'login' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ decision: 'deny', rule: { id: 'no-root' } });
  });

  test('POST /v1/risk-check takes null for what a caller does not know', async () => {
    const nothing = {
      subject: null,
      ip: null,
      device: null,
      geo: null,
      context: null,
      occurred_at: null,
      headers: null,
    };
    expect((await scene().post('/v1/risk-check', { action: 'login', ...nothing })).status).toBe(200);
  });

  test('POST /v1/risk-check reads the device of the client’s own header where the body tells none', async () => {
    const claim = 'v=1;fp=b1946ac92492d234;confidence=0.7;bot=1';
    const askedWith = async (body: object) => {
      const response = await scene().post('/v1/risk-check', { subject: 'u', action: 'login', ...body });
      expect(response.status).toBe(200);
      return (await response.json()).signals.device;
    };
    const read = { state: 'measured', facts: { 'device.state': 'new', 'device.confidence': 0.7, 'device.bot': true } };
    expect(await askedWith({ headers: { 'X-Stepgate-Device': claim } })).toMatchObject(read);
    expect(await askedWith({ headers: { 'x-stepgate-device': [claim] }, device: { token: null } })).toMatchObject(read);
    const told = await askedWith({ headers: { 'X-Stepgate-Device': claim }, device: { confidence: 0.2 } });
    expect(told.facts).toMatchObject({ 'device.state': 'absent', 'device.confidence': 0.2 });
    for (const value of ['v=2;fp=abc', [claim, claim], 'x'.repeat(2000)]) {
      const malformed = await askedWith({ headers: { 'X-Stepgate-Device': value } });
      expect(malformed).toMatchObject({
        state: 'unknown',
        why: 'malformed_claim',
        facts: { 'device.state': 'absent' },
      });
    }
    expect(await askedWith({ headers: { 'X-Stepgate-Device': '' } })).toMatchObject({ state: 'measured' });
  });

  test('POST /v1/risk-check with the store out of reach still answers 200, names what is missing and holds to the floor', async () => {
    const { post } = scene({ store: unreachableStore() });
    const response = await post('/v1/risk-check', { subject: 'u', action: 'login', ip: '81.2.69.160' });
    expect(response.status).toBe(200);
    const answer = await response.json();
    expect(answer.decision).toBe('step-up');
    expect(answer.degraded.length).toBeGreaterThan(0);
  });

  /** @see https://github.com/TecharoHQ/anubis/issues/472 */
  test.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])(
    'POST /v1/risk-check refuses %s with 405, so that it cannot be a gateway hook by mistake',
    async (method) => {
      const response = await scene().app.request('/v1/risk-check', { method, headers: AUTHORIZED });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
    },
  );

  /** @see https://github.com/honojs/hono/issues/5191 */
  test('POST /v1/risk-check is never answered from a cache: no-store, no ETag, If-None-Match is ignored', async () => {
    const { post } = scene();
    for (const match of ['*', '"x"', 'W/"x"']) {
      const response = await post('/v1/risk-check', { subject: 'root', action: 'login' }, { 'If-None-Match': match });
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.has('etag')).toBe(false);
    }
  });

  /** @see https://github.com/honojs/hono/issues/4432 */
  test('POST /v1/risk-check takes names of any script and puts none of them into a header', async () => {
    const response = await scene().post('/v1/risk-check', {
      action: 'login',
      subject: 'Srīperumbūdūr',
      geo: { lat: 12.97, lon: 79.95, country: 'IN', city: 'Srīperumbūdūr' },
      headers: { 'cf-ipcity': 'Srīperumbūdūr' },
    });
    expect(response.status).toBe(200);
    for (const [, value] of response.headers) expect(value).toMatch(/^[ -~]*$/);
  });
});

describe('the fields of a body', () => {
  const pathsOf = async (body: unknown, path = '/v1/risk-check'): Promise<readonly string[]> => {
    const response = await scene().post(path, body);
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { code: string; errors: { path: string }[] };
    expect(problem.code).toBe('invalid_request');
    return problem.errors.map((fault) => fault.path);
  };

  test.each([
    [{}, ['action']],
    [{ action: '' }, ['action']],
    [{ action: 'a\nb' }, ['action']],
    [{ action: 'login', subjet: 'typo' }, ['subjet']],
    [{ action: 'login', device: { fingerprnt: 'x' } }, ['device.fingerprnt']],
    [{ action: 'login', subject: '\u200b ' }, ['subject']],
    [{ action: 'login', subject: 7 }, ['subject']],
    [{ action: 'login', ip: '010.0.0.1' }, ['ip']],
    [{ action: 'login', ip: '1.2.3' }, ['ip']],
    [{ action: 'login', ip: '81.2.69.160:443' }, ['ip']],
    [{ action: 'login', ip: '' }, ['ip']],
    [{ action: 'login', peer_ip: 'localhost' }, ['peer_ip']],
    [{ action: 'login', geo: { lat: 91, lon: 0 } }, ['geo.lat']],
    [{ action: 'login', geo: { lat: 1 } }, ['geo.lat']],
    [{ action: 'login', geo: { lat: 1, lon: 181 } }, ['geo.lon']],
    [{ action: 'login', geo: { country: 'GBR' } }, ['geo.country']],
    [{ action: 'login', device: { confidence: 1.01 } }, ['device.confidence']],
    [{ action: 'login', dry_run: 'yes' }, ['dry_run']],
    [{ action: 'login', context: [] }, ['context']],
    [{ action: 'login', context: { a: { b: { c: { d: { e: { f: { g: { h: {} } } } } } } } } }, ['context']],
    [{ subject: 1, ip: 'x' }, ['subject', 'action', 'ip']],
  ])('%j is refused at %j', async (body, paths) => {
    expect(await pathsOf(body)).toEqual(paths);
  });

  test('A key that is not there is called missing, one of another type is told both types', async () => {
    const errors = async (path: string, body: object) => (await (await scene().post(path, body)).json()).errors;
    expect(await errors('/v1/risk-check', { subject: 7 })).toEqual([
      { path: 'subject', message: 'invalid input: expected string, received number' },
      { path: 'action', message: 'is missing; expected string' },
    ]);
    expect(await errors('/v1/events', { subject: 'ann' })).toEqual([
      { path: 'type', message: expect.stringMatching(/^is missing; expected one of "login\.succeeded"\|/) },
    ]);
  });

  test('Free keys take any JSON', async () => {
    const context = { amount: 1, nested: { list: [1, 'a', null, true] }, 'strange key "\u2028': 'x' };
    const resource = { type: 'account', id: '42', properties: context };
    const response = await scene().post('/v1/risk-check', {
      action: 'login',
      context,
      resource,
      subject_properties: context,
      headers: { 'X-Anything': ['a', 'b'] },
    });
    expect(response.status).toBe(200);
  });

  /** @see https://github.com/teng-lin/notebooklm-py/issues/1519 */
  test.each(['2026-11-25T02:00:00', '2026-11-25', '2026-11-25 02:00:00Z', '1764036000', '2026-02-30T00:00:00Z', 'now'])(
    'occurred_at %s is refused: it is no moment with an offset',
    async (occurred_at) => {
      expect(await pathsOf({ action: 'login', occurred_at })).toEqual(['occurred_at']);
    },
  );

  test.each([
    ['2026-11-25T02:05:00Z', 200],
    ['2026-11-25T02:05:01Z', 400],
    ['2026-11-25T03:04:59+01:00', 200],
    ['2025-10-21T02:00:00Z', 200],
    ['2025-10-21T01:59:59Z', 400],
  ])('occurred_at %s is answered with %i: up to 5 minutes ahead and 400 days past', async (occurred_at, status) => {
    expect((await scene().post('/v1/risk-check', { action: 'login', occurred_at })).status).toBe(status);
  });

  test('occurred_at means the same instant whatever the time zone of the machine', async () => {
    const zone = process.env.TZ;
    const moments = new Set<string | undefined>();
    try {
      for (const tz of ['UTC', 'America/New_York', 'Pacific/Auckland']) {
        process.env.TZ = tz;
        const { post, records, settled } = scene();
        await post('/v1/risk-check', { action: 'login', occurred_at: '2026-03-10T12:00:00+13:00' });
        await settled();
        moments.add(records[0]?.occurred_at);
      }
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    expect([...moments]).toEqual(['2026-03-09T23:00:00.000Z']);
  });

  /** @see https://github.com/rack/rack-attack/issues/493 */
  test('Respellings of one mail address share one counter', async () => {
    const { post, engine, settled } = scene();
    for (const subject of ['User@Example.com', ' user@example.com', 'user@example.com\t', 'u\u017fer@example.com']) {
      await post('/v1/events', { type: 'login.failed', subject });
    }
    await settled();
    const key = engine.pseudonym('subject', 'user@example.com');
    expect((await engine.store.readSubject(key, NOW_MS))?.failures10m).toBe(4);
  });

  /** @see https://github.com/maxmind/geoip-api-c/issues/119 */
  test('A country is refused although the gateway wrote a port after the address; one that cannot be read is no allow', async () => {
    const rules = {
      version: 1,
      actions: { login: {} },
      rules: [
        { id: 'no-us', when: { 'geo.country': { in: ['US'] } }, then: { decision: 'deny' } },
        { id: 'hidden', when: { 'ip.unreadable': true }, then: { decision: 'step-up' } },
      ],
    };
    const geo = geoipLiteSource({ city: false });
    const { post } = scene({
      rules,
      geo,
      deps: { trust: { trusted: parseTrustedProxies('192.0.2.0/28'), declared: null } },
    });
    const from = async (xff: string) => {
      const headers = { 'X-Forwarded-For': xff };
      return (await post('/v1/risk-check', { action: 'login', peer_ip: '192.0.2.10', headers })).json();
    };
    expect(await from('8.8.8.8:55220')).toMatchObject({
      decision: 'deny',
      signals: { geo: { facts: { 'geo.country': 'US' } }, ip: { facts: { 'ip.address': '8.8.8.8' } } },
    });
    for (const spoilt of ['8.8.8.8:99999', '81.2.69.160, not-an-ip', '81.2.69.160,', ',', '']) {
      expect(await from(spoilt), spoilt).toMatchObject({
        decision: 'step-up',
        signals: { ip: { state: 'unknown', why: 'malformed' }, geo: { state: 'unknown' } },
      });
    }
    expect(await from('81.2.69.160')).toMatchObject({ decision: 'allow' });
  });

  /** @see https://github.com/migadu/alps/pull/18 */
  test('A client that invents the left end of X-Forwarded-For fills one counter, its own, and nobody else’s', async () => {
    const { post, settled } = scene({
      deps: { trust: { trusted: parseTrustedProxies('192.0.2.0/28'), declared: null } },
    });
    const victims = ['86.1.2.1', '86.1.2.2', '86.1.2.3'];
    for (const victim of victims) {
      const headers = { 'X-Forwarded-For': `${victim}, 81.2.69.66` };
      await post('/v1/events', { type: 'login.failed', subject: 'u', peer_ip: '192.0.2.10', headers });
    }
    await settled();
    const failuresOf = async (ip: string) => {
      const { signals } = await (await post('/v1/risk-check', { action: 'login', ip, dry_run: true })).json();
      return [signals.ip.facts['ip.failures_10m'], signals.ip.facts['ip.network_failures_10m']];
    };
    expect(await failuresOf('81.2.69.66')).toEqual([3, 3]);
    for (const victim of victims) expect(await failuresOf(victim)).toEqual([0, 0]);
  });

  /** @see https://github.com/sozu-proxy/sozu/issues/1254 */
  test.each(['2001:db8::1:8080', '2a00:1450:4001::1:443'])(
    'Forwarded with IPv6 %s and no brackets gives no address: unreadable, located nowhere, counted under nothing',
    async (node) => {
      const { post, settled, records } = scene({
        geo: geoipLiteSource({ city: false }),
        deps: { trust: { trusted: parseTrustedProxies('192.0.2.0/28'), declared: null } },
      });
      const headers = { forwarded: `proto=https;for="${node}";by="2001:db8::2"` };
      const answer = await post('/v1/risk-check', { action: 'v', peer_ip: '192.0.2.10', headers });
      expect(await answer.json()).toMatchObject({
        signals: {
          ip: { state: 'unknown', why: 'malformed', facts: { 'ip.unreadable': true } },
          geo: { state: 'unknown' },
        },
      });
      await settled();
      expect(records[0]?.address).toBeNull();
    },
  );

  test.each([
    ['127.0.0.1', 'loopback_address', 'private_address'],
    ['::1', 'loopback_address', 'private_address'],
    ['169.254.7.7', 'link_local_address', 'private_address'],
    ['0.0.0.0', 'unspecified_address', 'special_address'],
    ['2a06:98c0:3600::103', 'shared_address', 'no_address'],
  ])('%s is nobody’s: unknown, not located whatever the caller asserts, and not counted', async (ip, why, noPlace) => {
    const { post, settled, records } = scene({ geo: geoipLiteSource({ city: false }) });
    for (let i = 0; i < 6; i += 1) await post('/v1/events', { type: 'login.failed', subject: `u${i}`, ip });
    await settled();
    const geo = { lat: 52.37, lon: 4.9, country: 'NL' };
    const { signals, decision } = await (await post('/v1/risk-check', { action: 'a', subject: 'u', ip, geo })).json();
    expect(decision).toBe('allow');
    expect(signals.ip).toMatchObject({ state: 'unknown', why });
    expect(Object.keys(signals.ip.facts).sort()).toEqual(['ip.address', 'ip.kind', 'ip.unreadable', 'ip.version']);
    expect(signals.geo).toEqual({ state: 'unknown', why: noPlace });
    expect(signals.velocity.facts['subject.ips_1h']).toBe(0);
    await settled();
    expect(records.at(-1)?.address).toBeNull();
  });

  test('The address of a trusted proxy is no client’s, also where the caller states it; a private one beside it is', async () => {
    const { post } = scene({ deps: { trust: { trusted: parseTrustedProxies('10.0.0.0/24'), declared: null } } });
    const ipSignal = async (ip: string) => {
      const answer = await post('/v1/risk-check', { action: 'a', subject: 'u', ip });
      return (await answer.json()).signals.ip;
    };
    expect(await ipSignal('10.0.0.7')).toEqual({ state: 'unknown', why: 'no_trusted_hop' });
    expect((await ipSignal('10.0.1.7')).facts).toMatchObject({ 'ip.address': '10.0.1.7', 'ip.kind': 'private' });
  });

  test('Without ip, the address comes from the headers through the trusted proxies', async () => {
    const cidrs = scene({ deps: { trust: { trusted: { kind: 'hops', hops: 1 }, declared: null } } });
    const body = { action: 'login', headers: { 'X-Forwarded-For': 'spoofed, 81.2.69.160' }, peer_ip: '10.0.0.9' };
    await cidrs.post('/v1/risk-check', body);
    await cidrs.settled();
    const pseudonym = cidrs.engine.pseudonym('address', '81.2.69.160');
    expect(cidrs.records[0]?.address).toBe(pseudonym);

    const nobody = scene();
    await nobody.post('/v1/risk-check', { ...body, peer_ip: '81.2.69.161' });
    await nobody.settled();
    expect(nobody.records[0]?.address).toBe(nobody.engine.pseudonym('address', '81.2.69.161'));
  });
});

describe('callers', () => {
  test.each([
    [undefined],
    ['Bearer'],
    ['Bearer '],
    [`Basic ${API_KEY}`],
    [API_KEY],
    [`Bearer ${API_KEY}x`],
    [`Bearer ${API_KEY.slice(1)}`],
    [`Bearer ${API_KEY} ${API_KEY}`],
    [`Bearer ${'x'.repeat(10_000)}`],
  ])('Authorization %s is a 401 problem with a challenge', async (authorization) => {
    const response = await scene().app.request('/v1/risk-check', {
      method: 'POST',
      headers: authorization === undefined ? {} : { Authorization: authorization },
      body: '{"action":"login"}',
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="stepgate"/);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.text()).not.toContain(API_KEY.slice(2));
  });

  test('Callers are told apart by their keys, in clear or hashed', () => {
    // printf %s second-key-0123456789 | sha256sum
    const hex = 'cdc8bf8583da505da0340b103c182d172408e4a68698993e485475e2f7e74b36';
    const find = callers([
      { name: 'first', rights: ['check'], kind: 'secret', secret: 'first-key-0123456789' },
      { name: 'second', rights: ['events'], kind: 'sha256', hex },
    ]);
    expect(find('first-key-0123456789')).toEqual({ name: 'first', rights: new Set(['check']) });
    expect(find('second-key-0123456789')).toEqual({ name: 'second', rights: new Set(['events']) });
    expect(find('third-key-0123456789')).toBeNull();
    expect(find(hex)).toBeNull();
  });

  const { deps } = scene();
  const asksForKey = ({ access }: Route): boolean => access !== 'public' && access !== 'own';
  const guarded = routesOf(deps).filter(asksForKey);

  test('Every route under /v1 and /access asks for the key', () => {
    const open = routesOf(deps).filter((route) => /^\/(v1|access)\//.test(route.path) && !asksForKey(route));
    expect(open).toEqual([]);
    expect(guarded.length).toBeGreaterThanOrEqual(8);
  });

  /** @see https://github.com/honojs/honox/issues/338 */
  test.each(guarded.map(({ method, path }) => [method, path]))(
    '%s %s gives nothing away without a key, however the path is spelled',
    async (method, path) => {
      const { app } = scene();
      const plain = path.replaceAll(/:\w+/g, 'x');
      const [first = ''] = plain.split('/').filter((part) => part !== '');
      const spellings = [
        plain,
        `${plain}/`,
        plain.replaceAll('/', '//'),
        plain.replace(first, `%${first.charCodeAt(0).toString(16)}${first.slice(1)}`),
        plain.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
        plain.replace('/', '/./'),
        plain.replace('/', '/x/../'),
        plain.toUpperCase(),
        `${plain}?x=/healthz`,
        `${plain}#/healthz`,
        `${plain};x`,
      ];
      for (const spelling of spellings) {
        const response = await app.request(spelling, { method: method === '*' ? 'POST' : method });
        expect([401, 404, 405], spelling).toContain(response.status);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
      }
    },
  );
});

describe('every answer', () => {
  test('Every answer echoes a printable X-Request-ID', async () => {
    for (const id of ['abc', 'a b', '~'.repeat(128), '01JDEADBEEF']) {
      const response = await scene().app.request('/healthz', { headers: { 'X-Request-ID': id } });
      expect(response.headers.get('x-request-id')).toBe(id);
    }
  });

  test('Every answer carries a fresh X-Request-ID when the one sent is too long or not printable ASCII', async () => {
    for (const id of ['', 'x'.repeat(129), 'caf\u00e9', 'a\tb']) {
      const response = await scene().app.request('/nowhere', { headers: { 'X-Request-ID': id } });
      expect(response.headers.get('x-request-id')).toBe('id-1');
    }
  });

  test('Every answer to an unknown path is a 404 problem', async () => {
    const response = await scene().app.request('/v2/risk-check', { method: 'POST' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found', status: 404 });
  });

  test('Every answer to the wrong method is a 405 problem that lists the right ones', async () => {
    const response = await scene().app.request('/v1/subjects/u', { method: 'PATCH', headers: AUTHORIZED });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('DELETE, GET, HEAD');
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  test('Every answer to a fault of the service is a 500 problem that tells nothing of its inside', async () => {
    const messages: string[] = [];
    const { post } = scene({
      rules: () => {
        throw new Error('inner secret');
      },
      deps: { log: { ...noLog, error: (message) => messages.push(message) } },
    });
    const response = await post('/v1/risk-check', { action: 'login' });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('inner secret');
    expect(messages).toHaveLength(1);
  });

  test('Every answer is below 500 for any JSON at all', async () => {
    const { post } = scene();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('risk-check', 'events', 'step-up/verify'),
        fc.jsonValue(),
        async (path, body) => {
          expect((await post(`/v1/${path}`, body)).status).toBeLessThan(500);
        },
      ),
    );
  });

  test('Every answer is below 500 for any text at all', async () => {
    const { post } = scene();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (body) => {
        expect((await post('/v1/risk-check', body)).status).toBeLessThan(500);
      }),
    );
  });

  test('Every answer is 200 or 400 for anything of the shape of a check, and 202 or 400 for an event', async () => {
    const { post, settled } = scene();
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '__proto__', '\u200b', 'root'),
    );
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 4 });
    const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, 1e308, -1));
    const origin = {
      ip: maybe(fc.oneof(fc.ipV4(), fc.ipV6(), text)),
      peer_ip: maybe(fc.oneof(fc.ipV4(), text)),
      headers: maybe(
        fc.dictionary(fc.oneof(text, fc.constantFrom('X-Forwarded-For', 'forwarded', 'X-Stepgate-Device')), text),
      ),
      session: maybe(text),
      user_agent: maybe(text),
      device: maybe(
        fc.record({
          fingerprint: maybe(text),
          token: maybe(text),
          confidence: maybe(number),
          bot: maybe(fc.boolean()),
          components: maybe(fc.dictionary(text, text)),
        }),
      ),
      geo: maybe(
        fc.record({ lat: maybe(number), lon: maybe(number), accuracy_km: maybe(number), country: maybe(text) }),
      ),
      occurred_at: maybe(
        fc.oneof(
          text,
          fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
          fc.integer({ min: -400 * 86_400, max: 300 }).map((s) => new Date(NOW_MS + s * 1000).toISOString()),
        ),
      ),
    };
    const check = fc.record({
      subject: maybe(text),
      action: fc.oneof(text, fc.constant('payment.transfer')),
      ...origin,
      step_up_token: maybe(text),
      resource: maybe(
        fc.record({ type: maybe(text), id: maybe(text), properties: maybe(fc.dictionary(text, fc.jsonValue())) }),
      ),
      subject_properties: maybe(fc.dictionary(text, fc.jsonValue())),
      context: maybe(fc.dictionary(fc.oneof(text, fc.constant('amount')), fc.jsonValue())),
      dry_run: maybe(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(check, async (body) => {
        expect([200, 400]).toContain((await post('/v1/risk-check', body)).status);
      }),
      { numRuns: 300 },
    );
    const event = fc.record({
      type: fc.constantFrom(
        'login.succeeded',
        'login.failed',
        'step_up.failed',
        'session.revoked',
        'credential.changed',
      ),
      subject: text,
      ...origin,
      trust_device: maybe(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(event, async (body) => {
        expect([202, 400]).toContain((await post('/v1/events', body)).status);
      }),
      { numRuns: 200 },
    );
    await settled();
  });
});

describe('what follows an answer', () => {
  test('What follows an answer does not hold the answer back: learning that never ends is not waited for', async () => {
    const waiting: (() => Promise<void>)[] = [];
    const { post } = scene({ later: (work) => waiting.push(work) });
    const response = await post('/v1/risk-check', { subject: 'u', action: 'login', ip: '81.2.69.160' });
    expect(response.status).toBe(200);
    expect(waiting).toHaveLength(1);
  });

  test('A record that cannot be written changes nothing and is counted', async () => {
    let failures = 0;
    const { post, settled, deps } = scene({
      deps: {
        records: () => {
          throw new Error('disk full');
        },
      },
    });
    const counted = scene({
      deps: { records: deps.records, metrics: { ...deps.metrics, recordFailed: () => failures++ } },
    });
    expect((await post('/v1/risk-check', { action: 'login' })).status).toBe(200);
    expect((await counted.post('/v1/risk-check', { action: 'login' })).status).toBe(200);
    await settled();
    await counted.settled();
    expect(failures).toBe(1);
  });

  test('Learning that the store refuses is counted with its code', async () => {
    const codes: string[] = [];
    const store = memoryStore({ now: () => NOW_MS });
    const plain = scene();
    const { post, settled } = scene({
      store: {
        ...store,
        updateBaseline: async () => {
          throw new StoreError('timeout', 'too slow');
        },
      },
      deps: { metrics: { ...plain.deps.metrics, learnFailed: (code) => codes.push(code) } },
    });
    const response = await post('/v1/risk-check', { subject: 'u', action: 'login', ip: '81.2.69.160' });
    expect(await response.json()).toMatchObject({ decision: 'allow' });
    await settled();
    expect(codes).toEqual(['timeout']);
  });
});

describe('POST /v1/events', () => {
  const device = { fingerprint: 'b1946ac92492d2347c6235b4d2611184' };

  test('POST /v1/events answers 202 with the device once trust is granted', async () => {
    const { post } = scene();
    const event = { type: 'login.succeeded', subject: 'u', device, trust_device: true };
    const response = await post('/v1/events', event);
    expect(response.status).toBe(202);
    const { device: granted } = await response.json();
    expect(granted).toMatchObject({ id: expect.stringMatching(/^d-/), token: expect.stringMatching(/^eyJ/) });
    expect(granted.expires_at).toBe('2026-12-25T02:00:00Z');
  });

  test('POST /v1/events answers 202 without a device to a failure', async () => {
    const response = await scene().post('/v1/events', { type: 'login.failed', subject: 'u', device });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({});
  });

  test('POST /v1/events refuses an unknown type and a missing subject with their paths', async () => {
    const response = await scene().post('/v1/events', { type: 'login.maybe' });
    const { errors } = await response.json();
    expect(errors.map((fault: { path: string }) => fault.path)).toEqual(['type', 'subject']);
  });

  test('POST /v1/events says 503 when the store did not take it, so that it is reported again', async () => {
    const { post } = scene({ store: unreachableStore() });
    const response = await post('/v1/events', { type: 'login.failed', subject: 'u', ip: '81.2.69.160' });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'store_unavailable' });
  });
});

describe('/v1/subjects', () => {
  const get = (app: ReturnType<typeof scene>, path: string, method = 'GET') =>
    app.app.request(path, { method, headers: AUTHORIZED });
  const login = {
    type: 'login.succeeded',
    subject: 'User@example.com',
    ip: '81.2.69.160',
    geo: { lat: 52.2, lon: 0.4, country: 'GB', city: 'Newmarket', accuracy_km: 5 },
    device: { fingerprint: 'b1946ac92492d2347c6235b4d2611184' },
    trust_device: true,
  };

  test('/v1/subjects shows the baseline in any spelling of the id, and no raw address', async () => {
    const app = scene();
    await app.post('/v1/events', login);
    const response = await get(app, `/v1/subjects/${encodeURIComponent(' USER@example.com')}`);
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).not.toContain('81.2.69');
    expect(text).not.toContain('b1946ac9');
    expect(JSON.parse(text)).toMatchObject({
      subject: 'user@example.com',
      baseline: {
        first_seen: '2026-11-25T02:00:00Z',
        places: [{ country: 'GB', city: 'Newmarket' }],
        networks: 1,
        devices: [{ trusted: true, trusted_until: '2026-12-25T02:00:00Z', revoked_at: null }],
      },
    });
  });

  test('An id may hold slashes and percent signs', async () => {
    const app = scene();
    const subject = 'a/b%2Fc?d#e';
    await app.post('/v1/events', { ...login, subject });
    const response = await get(app, `/v1/subjects/${encodeURIComponent(subject)}`);
    expect(await response.json()).toMatchObject({ subject });
  });

  test('/v1/subjects says 404 where nothing is stored', async () => {
    expect((await get(scene(), '/v1/subjects/nobody')).status).toBe(404);
    expect((await get(scene(), '/v1/subjects/nobody/devices')).status).toBe(404);
    expect((await get(scene(), '/v1/subjects/nobody/devices/d-1', 'DELETE')).status).toBe(404);
  });

  test('/v1/subjects erases a subject', async () => {
    const app = scene();
    await app.post('/v1/events', login);
    expect((await get(app, '/v1/subjects/user@example.com', 'DELETE')).status).toBe(204);
    expect((await get(app, '/v1/subjects/user@example.com')).status).toBe(404);
  });

  test('/v1/subjects lists devices and revokes one, then all', async () => {
    const app = scene();
    const path = '/v1/subjects/user@example.com/devices';
    await app.post('/v1/events', login);
    await app.post('/v1/events', { ...login, device: { fingerprint: 'another-fingerprint' } });
    const list = async () => (await (await get(app, path)).json()).devices as { id: string; trusted: boolean }[];
    const before = await list();
    expect(before.map(({ trusted }) => trusted)).toEqual([true, true]);
    const [first] = before;
    expect((await get(app, `${path}/${first?.id}`, 'DELETE')).status).toBe(204);
    const afterOne = await list();
    expect(afterOne.find(({ id }) => id === first?.id)).toMatchObject({ trusted: false });
    expect(afterOne.filter(({ trusted }) => trusted)).toHaveLength(1);
    expect((await get(app, `${path}/d-none`, 'DELETE')).status).toBe(404);
    expect((await get(app, path, 'DELETE')).status).toBe(204);
    expect((await list()).some(({ trusted }) => trusted)).toBe(false);
  });

  test('/v1/subjects says 503 while the store is out of reach', async () => {
    const app = scene({ store: unreachableStore() });
    expect((await get(app, '/v1/subjects/u')).status).toBe(503);
    expect((await get(app, '/v1/subjects/u', 'DELETE')).status).toBe(503);
  });
});

describe('health', () => {
  test('/healthz needs no key', async () => {
    const response = await scene().app.request('/healthz');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  test('/readyz tells store, rules, issuers, geo and lists', async () => {
    const response = await scene().app.request('/readyz');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      ready: true,
      store: { driver: 'memory', reachable: true },
      rules: { files: ['test.json'], rules: 2, problem: null },
      issuers: { missing_keys: [] },
      geo: { name: 'none' },
      lists: [],
    });
  });

  test('/readyz is red while the store is out of reach, and at once when the process stops', async () => {
    const away = await scene({ store: unreachableStore() }).app.request('/readyz');
    expect(away.status).toBe(503);
    expect(await away.json()).toMatchObject({ ready: false, store: { reachable: false, problem: 'unreachable' } });
    const stopping = await scene({ deps: { isStopping: () => true } }).app.request('/readyz');
    expect(stopping.status).toBe(503);
  });

  test('/readyz stays green and says so when a reload of the rules was refused', async () => {
    const response = await scene({ deps: { rulesProblem: () => 'default.json: broken' } }).app.request('/readyz');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ rules: { problem: 'default.json: broken' } });
  });
});

describe('/openapi.json', () => {
  test('/openapi.json is OpenAPI 3.1 and names every route with its security', async () => {
    const { app, deps } = scene();
    const document = await (await app.request('/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    for (const { method, path, access } of routesOf(deps)) {
      if (method === '*' || path === '/openapi.json') continue;
      const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      expect(operation, `${method} ${path}`).toBeDefined();
      expect(operation.security).toEqual(access === 'public' ? undefined : [{ apiKey: [access] }]);
    }
    const body = document.paths['/v1/risk-check'].post.requestBody.content['application/json'].schema;
    expect(body.required).toEqual(['action']);
    expect(body.additionalProperties).toBe(false);
  });

  test.each(['/v1/risk-check', '/v1/events'])('/openapi.json says of each key of %s what it means', async (path) => {
    const document = await (await scene().app.request('/openapi.json')).json();
    const { properties } = document.paths[path].post.requestBody.content['application/json'].schema;
    for (const [key, schema] of Object.entries(properties)) {
      expect(schema, key).toHaveProperty('description', expect.stringMatching(/\.$/));
    }
  });
});
