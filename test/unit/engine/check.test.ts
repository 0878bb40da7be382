import { describe, expect, test } from 'vitest';
import { compileList } from '../../../src/data/lists/lists.ts';
import { createReputation } from '../../../src/data/lists/standing.ts';
import type { GeoSource, Located } from '../../../src/model/geo.ts';
import type { Standing } from '../../../src/model/reputation.ts';
import { DAY_MS, NOW_MS, type Scene, scene } from '../../support/scene.ts';

const rule = (id: string, when: object, then: object) => ({ id, when, then });

const RULES = {
  version: 1,
  trust: { days: 30 },
  actions: { login: { learn: 'event' }, browse: { floor: 'allow' }, vault: { floor: 'deny' }, read: {}, any: {} },
  rules: [
    rule('pay', { action: 'pay' }, { decision: 'step-up', max_age: 300 }),
    rule('pay-once', { action: 'pay.once' }, { decision: 'step-up', single_use: true }),
    rule('banned', { 'ip.address': '9.9.9.9' }, { decision: 'deny' }),
    rule('failing', { 'subject.failures_10m': { gte: 3 } }, { decision: 'deny', reason: 'too_many_failures' }),
  ],
};

const ANN = { subject: 'ann', ip: '81.2.69.160' };
const LAPTOP = { fingerprint: '5d41402abc4b2a76b9719d911017c592' };
const codes = (result: { reasons: readonly { code: string }[] }) => result.reasons.map(({ code }) => code);

describe('a proof', () => {
  test('A proof that meets the requirement turns a step-up into allow', async () => {
    const { check, proof } = scene({ rules: RULES });
    const asked = await check({ ...ANN, action: 'pay' });
    expect(asked).toMatchObject({ decision: 'step-up', stepUp: { satisfied: false, error: null } });
    const let_in = await check({ ...ANN, action: 'pay', step_up_token: await proof('ann', 60) });
    expect(let_in).toMatchObject({ decision: 'allow', stepUp: { satisfied: true } });
    expect(codes(let_in)).toContain('step_up_satisfied');
  });

  test('A proof that is too old, or of somebody else, leaves it a step-up and says why', async () => {
    const { check, proof } = scene({ rules: RULES });
    const old = await check({ ...ANN, action: 'pay', step_up_token: await proof('ann', 301) });
    expect(old).toMatchObject({ decision: 'step-up', stepUp: { error: { code: 'token_too_old' } } });
    const foreign = await check({ ...ANN, action: 'pay', step_up_token: await proof('bob') });
    expect(foreign).toMatchObject({ decision: 'step-up', stepUp: { error: { code: 'subject_mismatch' } } });
  });

  test('A proof never turns a deny', async () => {
    const { check, proof } = scene({ rules: RULES });
    const denied = await check({ ...ANN, ip: '9.9.9.9', action: 'pay', step_up_token: await proof('ann') });
    expect(denied).toMatchObject({ decision: 'deny', stepUp: null });
  });

  test('A proof names its subject in any spelling that is the same subject', async () => {
    const { check, proof } = scene({ rules: RULES });
    const body = { ...ANN, subject: 'ann@example.com', action: 'pay', step_up_token: await proof('Ann@Example.com') };
    expect(await check(body)).toMatchObject({ decision: 'allow' });
  });

  test('A proof for single use is spent by the first check and refused to the second', async () => {
    const { check, proof } = scene({ rules: RULES });
    const body = { ...ANN, action: 'pay.once', step_up_token: await proof('ann') };
    expect(await check(body)).toMatchObject({ decision: 'allow' });
    expect(await check(body)).toMatchObject({ decision: 'step-up', stepUp: { error: { code: 'replayed' } } });
  });

  test('A proof is not spent by a dry run', async () => {
    const { check, proof } = scene({ rules: RULES });
    const body = { ...ANN, action: 'pay.once', step_up_token: await proof('ann') };
    expect(await check({ ...body, dry_run: true })).toMatchObject({ decision: 'allow' });
    expect(await check(body)).toMatchObject({ decision: 'allow' });
  });

  test('A proof of somebody else counts as a failure of the subject each time', async () => {
    const { check, proof } = scene({ rules: RULES });
    for (let i = 0; i < 3; i++) await check({ ...ANN, action: 'pay', step_up_token: await proof('bob') });
    expect(codes(await check({ ...ANN, action: 'pay' }))).toContain('too_many_failures');
  });

  test('A proof cannot be judged without an issuer, and says so', async () => {
    const { check, proof } = scene({ rules: RULES, verifier: null });
    const answer = await check({ ...ANN, action: 'pay', step_up_token: await proof('ann') });
    expect(answer).toMatchObject({ decision: 'step-up', stepUp: { error: { code: 'no_issuer' } } });
  });
});

describe('without the store', () => {
  test('A check is decided at the floor of its action, and names what was missing', async () => {
    const { check, breakStore } = scene({ rules: RULES });
    breakStore('timeout');
    const answer = await check({ ...ANN, action: 'read', device: LAPTOP });
    expect(answer).toMatchObject({ decision: 'step-up', rule: null, stepUp: { satisfied: false } });
    expect(answer.degraded).toContainEqual({ part: 'velocity', why: 'timeout' });
    expect(answer.degraded).toContainEqual({ part: 'device', why: 'timeout' });
    expect(codes(answer)).toEqual(['degraded']);
    expect(await check({ ...ANN, action: 'browse' })).toMatchObject({ decision: 'allow' });
    expect(await check({ ...ANN, action: 'vault' })).toMatchObject({ decision: 'deny', stepUp: null });
  });

  test('A deny from facts that need no store still denies', async () => {
    const { check, breakStore } = scene({ rules: RULES });
    breakStore('unreachable');
    expect(await check({ ...ANN, ip: '9.9.9.9', action: 'browse' })).toMatchObject({ decision: 'deny' });
  });

  test('A proof that needs no spending meets the floor, one that does is not accepted', async () => {
    const { check, proof, breakStore } = scene({ rules: RULES });
    breakStore('circuit_open');
    expect(await check({ ...ANN, action: 'read', step_up_token: await proof('ann') })).toMatchObject({
      decision: 'allow',
      stepUp: { satisfied: true },
    });
    expect(await check({ ...ANN, action: 'pay.once', step_up_token: await proof('ann') })).toMatchObject({
      decision: 'step-up',
      stepUp: { error: { code: 'spend_unrecorded' } },
    });
  });

  test('Nothing is learned, and no device becomes trusted', async () => {
    const { check, proof, breakStore, engine } = scene({ rules: RULES });
    breakStore('timeout');
    const answer = await check({ ...ANN, action: 'read', device: LAPTOP, step_up_token: await proof('ann') });
    expect(answer).toMatchObject({ decision: 'allow', device: null });
    breakStore(null);
    expect(await engine.store.readSubject(engine.pseudonym('subject', 'ann'), engine.now())).toBeNull();
  });
});

describe('where the data of the place has to be fetched', () => {
  const geoFrom = (located: Located): GeoSource => ({
    locate: () => new Promise((resolve) => setImmediate(() => resolve(located))),
    status: () => ({ name: 'fetched', ageDays: null, problem: null }),
  });
  const place = {
    lat: 52.2,
    lon: 0.1,
    accuracyKm: 20,
    country: 'GB',
    region: null,
    city: 'Ely',
    source: 'shards',
  } as const;

  test('A check waits for it, and judges and learns as it does with data in memory', async () => {
    const { check } = scene({ rules: RULES, geo: geoFrom({ known: true, place }) });
    const first = await check({ ...ANN, action: 'any' });
    expect(first.signals.geo).toMatchObject({ state: 'measured', facts: { 'geo.city': 'Ely' } });
    expect((await check({ ...ANN, action: 'any' })).signals.geo?.facts).toMatchObject({ 'geo.new_country': false });
  });

  test('Data that does not come in time leaves the check at the floor of its action, and nothing is learned', async () => {
    const { check } = scene({ rules: RULES, geo: geoFrom({ known: false, why: 'source_unavailable' }) });
    const answer = await check({ ...ANN, device: LAPTOP, action: 'any' });
    expect(answer).toMatchObject({
      decision: 'step-up',
      degraded: [{ part: 'geo', why: 'source_unavailable' }],
      signals: { geo: { state: 'failed', why: 'source_unavailable' } },
    });
    expect((await check({ ...ANN, device: LAPTOP, action: 'any' })).signals.device?.facts).not.toMatchObject({
      'device.state': 'known',
    });
    expect(await check({ ...ANN, action: 'browse' })).toMatchObject({ decision: 'allow' });
  });
});

describe('where address lists could not be read', () => {
  const standing = { categories: null, lists: [], asn: null, why: 'lists_unavailable' } as const;
  const reputation = { configured: true, standing: async () => standing, status: () => [] };

  test('A check is decided at the floor of its action, and says that nothing is known of the address', async () => {
    const { check } = scene({ rules: RULES, reputation: () => reputation });
    const answer = await check({ ...ANN, action: 'any' });
    expect(answer).toMatchObject({
      decision: 'step-up',
      degraded: [{ part: 'ip', why: 'lists_unavailable' }],
      signals: { ip: { state: 'failed', facts: { 'ip.address': ANN.ip } } },
    });
    expect(answer.signals.ip?.facts['ip.categories']).toBeUndefined();
  });

  test('A reported login teaches no place, for the address may be anybody’s exit', async () => {
    const place = { lat: 52.2, lon: 0.48, country: 'GB', city: 'Newmarket', accuracy_km: 20 };
    const { check, tell } = scene({ rules: RULES, reputation: () => reputation });
    await tell('login.succeeded', { ...ANN, geo: place });
    const elsewhere = await check({ ...ANN, action: 'any', geo: { ...place, country: 'FR' } });
    expect(elsewhere.signals.geo?.facts['geo.new_country']).toBeUndefined();
  });
});

describe('what a check teaches', () => {
  const learned = async ({ engine }: Scene) =>
    (await engine.store.readSubject(engine.pseudonym('subject', 'ann'), engine.now()))?.baseline?.value ?? null;

  test('An allowed request teaches its device and network', async () => {
    const it = scene({ rules: RULES });
    const { device } = await it.check({ ...ANN, action: 'read', device: LAPTOP });
    expect(device).toMatchObject({ id: expect.stringMatching(/^d-/), token: null });
    expect(await learned(it)).toMatchObject({ learned: 1, devices: [{ id: device?.id, trustedUntil: null }] });
    const again = await it.check({ ...ANN, action: 'read', device: LAPTOP });
    expect(again.device?.id).toBe(device?.id);
    expect(again.signals.device?.facts).toMatchObject({ 'device.state': 'known' });
    expect(again.signals.ip?.facts).toMatchObject({ 'ip.known': true });
  });

  test.each([
    ['a request that was asked to step up', { action: 'pay' }],
    ['a request that was denied', { action: 'read', ip: '9.9.9.9' }],
    ['a request of an action that learns from events', { action: 'login' }],
    ['a dry run', { action: 'read', dry_run: true }],
  ])('%s teaches nothing', async (_what, body) => {
    const it = scene({ rules: RULES });
    await it.check({ ...ANN, device: LAPTOP, ...body });
    expect(await learned(it)).toBeNull();
  });

  test('A dry run counts nothing either', async () => {
    const it = scene({ rules: RULES });
    await it.check({ ...ANN, action: 'read', dry_run: true });
    const counted = await it.check({ ...ANN, action: 'read' });
    expect(counted.signals.velocity?.facts).toMatchObject({ 'subject.attempts_1m': 1 });
  });

  test('A deny counts against its address', async () => {
    const it = scene({ rules: RULES });
    await it.check({ ...ANN, ip: '9.9.9.9', action: 'read' });
    const next = await it.check({ ...ANN, ip: '9.9.9.9', action: 'read' });
    expect(next.signals.ip?.facts).toMatchObject({ 'ip.denies_1h': 1 });
  });
});

describe('trust by proof', () => {
  const withProof = async (it: Scene, device: object) =>
    it.check({ ...ANN, action: 'pay', device, step_up_token: await it.proof('ann') });

  test('A satisfied step-up makes the device trusted for the days of the rules', async () => {
    const it = scene({ rules: RULES });
    const { device } = await withProof(it, LAPTOP);
    expect(device?.expiresAtMs).toBe(it.clock.ms + 30 * DAY_MS);
    const next = await it.check({ ...ANN, action: 'read', device: { ...LAPTOP, token: device?.token } });
    expect(next.signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    expect(next.device).toEqual({ id: device?.id, token: null, expiresAtMs: null, invitation: null });
  });

  test('Trust by proof runs out after its days, whatever use was made of it', async () => {
    const it = scene({ rules: RULES });
    const { device } = await withProof(it, LAPTOP);
    const token = device?.token;
    for (let day = 0; day < 29; day++) {
      it.clock.ms += DAY_MS;
      const used = await it.check({ ...ANN, action: 'read', device: { ...LAPTOP, token } });
      expect(used.signals.device?.facts).toMatchObject({ 'device.trusted': true });
    }
    it.clock.ms += 2 * DAY_MS;
    const late = await it.check({ ...ANN, action: 'read', device: { ...LAPTOP, token } });
    expect(late.signals.device?.facts).toMatchObject({ 'device.state': 'known', 'device.trusted': false });
  });

  test('Trust by proof is renewed by a new proof once less than half of it is left, not before', async () => {
    const it = scene({ rules: RULES });
    const { device } = await withProof(it, LAPTOP);
    const trusted = { ...LAPTOP, token: device?.token };
    it.clock.ms += 14 * DAY_MS;
    const early = await withProof(it, trusted);
    // A new visit takes the next token, for as long as before.
    expect(early.device?.expiresAtMs).toBe(it.clock.ms + 16 * DAY_MS);
    it.clock.ms += 2 * DAY_MS;
    const renewed = await withProof(it, { ...LAPTOP, token: early.device?.token });
    expect(renewed.device).toMatchObject({ id: device?.id, expiresAtMs: it.clock.ms + 30 * DAY_MS });
    expect(renewed.device?.token).not.toBeNull();
    it.clock.ms += 29 * DAY_MS;
    const next = await it.check({ ...ANN, action: 'read', device: { ...LAPTOP, token: renewed.device?.token } });
    expect(next.signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
  });

  test('Trust by proof makes one device of the requests that a page sends with one proof at the same time', async () => {
    const it = scene({ rules: RULES });
    const phone = { fingerprint: '7d793037a0760186574b0282f2f435e7' };
    const first = await withProof(it, phone);
    it.clock.ms += 60_000;
    const request = { ...ANN, action: 'pay', device: LAPTOP, step_up_token: await it.proof('ann') };
    const parallel = await Promise.all(Array.from({ length: 8 }, () => it.check(request)));
    const [id] = new Set(parallel.map(({ device }) => device?.id));
    for (const { device } of parallel) {
      const next = await it.check({ ...ANN, action: 'read', device: { ...LAPTOP, token: device?.token } });
      expect(next).toMatchObject({ device: { id }, signals: { device: { facts: { 'device.state': 'trusted' } } } });
    }
    const kept = await it.check({ ...ANN, action: 'read', device: { ...phone, token: first.device?.token } });
    expect(kept.signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    const stored = await it.engine.store.readSubject(it.engine.pseudonym('subject', 'ann'), it.clock.ms);
    expect(stored?.baseline?.value.devices).toHaveLength(2);
  });

  test('Trust by proof is not granted where the rules say so', async () => {
    const it = scene({ rules: { ...RULES, trust: { on_step_up: false } } });
    expect((await withProof(it, LAPTOP)).device).toMatchObject({ token: null });
  });
});

describe('an anonymous request', () => {
  test('An anonymous request is judged by what needs no subject, and no proof lets it in', async () => {
    const { check, proof } = scene({ rules: RULES });
    const answer = await check({ ip: '81.2.69.160', action: 'pay', step_up_token: await proof('ann') });
    expect(answer).toMatchObject({ decision: 'step-up', device: null, degraded: [] });
    expect(answer.stepUp?.satisfied).toBe(false);
    expect(answer.signals.ip?.facts).toMatchObject({ 'ip.failures_10m': 0 });
  });
});

/** @see https://github.com/panther-labs/panther-analysis/pull/840 */
test('Checks that run at the same time do not colour each other', async () => {
  const viaVpn: Standing = { categories: ['vpn'], lists: ['exits'], asn: null };
  const clean: Standing = { categories: [], lists: [], asn: null };
  const reputation = () => ({
    configured: true,
    standing: ({ text }: { readonly text: string }) => (text === '45.83.1.1' ? viaVpn : clean),
    status: () => [],
  });
  const rules = { ...RULES, rules: [...RULES.rules, rule('vpn', { 'ip.categories': { has: 'vpn' } }, { points: 40 })] };
  const eve = { subject: 'eve', ip: '45.83.1.1', action: 'pay', geo: { lat: 1.35, lon: 103.82, country: 'SG' } };
  const ann = { ...ANN, action: 'read', geo: { lat: 51.5, lon: -0.13, country: 'GB' }, dry_run: true };
  const text = (result: object) => JSON.stringify({ ...result, id: '' });

  const alone = text(await scene({ rules, reputation }).check(ann));
  const { check } = scene({ rules, reputation });
  for (let round = 0; round < 200; round++) {
    const order = round % 2 === 0 ? [eve, ann, eve] : [ann, eve, ann];
    const answers = await Promise.all(order.map((body) => check(body)));
    for (const [i, body] of order.entries()) if (body === ann) expect(text(answers[i] ?? {})).toBe(alone);
    expect(answers.find((_, i) => order[i] === eve)?.score).toBe(40);
  }
});

/** @see https://github.com/zammad/zammad/issues/5665 */
test('An inner subnet can be named by a rule; its addresses lie in no country, so in no new one', async () => {
  const it = scene({
    rules: {
      version: 1,
      actions: { login: { learn: 'event' } },
      rules: [
        rule('abroad', { 'geo.new_country': true }, { decision: 'deny' }),
        rule('inside', { 'ip.categories': { has: 'private' } }, { decision: 'step-up' }),
        rule('office', { 'ip.address': { in_cidr: '10.25.0.0/16' } }, { decision: 'allow', over: ['inside'] }),
      ],
    },
  });
  await it.tell('login.succeeded', { ...ANN, geo: { lat: -33.87, lon: 151.2, country: 'AU' } });
  const from = (ip: string) => it.check({ ...ANN, ip, action: 'login' });
  expect(await from('10.25.0.24')).toMatchObject({
    decision: 'allow',
    rule: { id: 'office' },
    signals: { geo: { state: 'unknown', why: 'private_address' }, ip: { facts: { 'ip.kind': 'private' } } },
  });
  expect(await from('10.26.0.24')).toMatchObject({ decision: 'step-up', rule: { id: 'inside' } });
  const abroad = await it.check({ ...ANN, action: 'login', geo: { lat: 48.9, lon: 2.4, country: 'FR' } });
  expect(abroad).toMatchObject({ decision: 'deny', rule: { id: 'abroad' } });
});

/** @see https://github.com/geoip-lite/node-geoip/issues/256 */
test('An address whose country nobody knows is not taken for a foreign one, only for an unknown one', async () => {
  const { check } = scene({
    rules: {
      version: 1,
      rules: [
        rule('abroad', { 'geo.country': { ne: 'US' } }, { decision: 'deny' }),
        rule('not-at-home', { not: { 'geo.country': 'US' } }, { decision: 'deny' }),
        rule('nowhere', { 'geo.country': { known: false } }, { decision: 'step-up' }),
      ],
    },
  });
  const unknown = await check({ ...ANN, ip: '2001:4860:4860::8888', action: 'read' });
  expect(unknown).toMatchObject({ decision: 'step-up', rule: { id: 'nowhere' } });
  expect(unknown.signals).toMatchObject({ geo: { state: 'unknown' }, travel: { state: 'unknown' } });
  expect(await check({ ...ANN, action: 'read', geo: { country: 'NL' } })).toMatchObject({ decision: 'deny' });
});

describe('a request that may be several things', () => {
  const under = (action: string, id: string | null = null) => ({
    action,
    resource: { type: null, id, properties: {} },
  });

  test('A request that may be several things is judged as the strictest, in whatever order they come, and counted once', async () => {
    const { checkAs } = scene({ rules: RULES });
    for (const actions of [
      ['read', 'pay', 'any'],
      ['pay', 'any', 'read'],
    ]) {
      const { request, result } = await checkAs(
        ANN,
        actions.map((action) => under(action)),
      );
      expect([request.action, result.decision]).toEqual(['pay', 'step-up']);
    }
    const { result } = await checkAs(ANN, [under('read'), under('any')]);
    expect(result.signals.velocity?.facts['subject.attempts_1m']).toBe(3);
  });

  test('A request that may be several things spends a single-use proof where one of them asks for it, and spends it once', async () => {
    const { checkAs, proof } = scene({ rules: RULES });
    const body = { ...ANN, step_up_token: await proof('ann') };
    const both = [under('pay'), under('pay.once')];
    expect((await checkAs(body, both)).result).toMatchObject({ decision: 'allow', stepUp: { satisfied: true } });
    expect((await checkAs(body, both)).result).toMatchObject({ stepUp: { error: { code: 'replayed' } } });
  });
});

/** @see https://github.com/firehol/blocklist-ipsets/issues/219 */
test('An address on a list past its age is not clean: rules on its category are unknown, and nothing is learned from it', async () => {
  const config = { column: 0, minCount: 0, maxCoverage: 1, licence: '', format: 'text', source: 'x.txt' } as const;
  const fresh = { updatedAtMs: NOW_MS, etag: null, lastModified: null };
  const lists = [
    compileList(
      '34.5.6.66',
      { ...config, name: 'f1', category: 'attack', maxAgeDays: 2 },
      { ...fresh, updatedAtMs: NOW_MS - 365 * DAY_MS },
      null,
    ),
    compileList('45.83.0.0/16', { ...config, name: 'f2', category: 'vpn', maxAgeDays: 30 }, fresh, null),
  ];
  const it = scene({
    rules: {
      version: 1,
      actions: { login: {} },
      rules: [
        rule('attack', { 'ip.categories': { has: 'attack' } }, { decision: 'deny' }),
        rule('clean', { not: { 'ip.categories': { has: 'attack' } } }, { decision: 'deny' }),
        rule('vpn', { 'ip.categories': { has_any: ['attack', 'vpn'] } }, { decision: 'step-up' }),
      ],
    },
    reputation: () => createReputation(lists, []),
  });
  const from = (ip: string) => it.check({ subject: 'u', ip, action: 'login', device: { fingerprint: 'f'.repeat(32) } });
  const first = await from('34.5.6.66');
  expect(first).toMatchObject({
    decision: 'allow',
    degraded: [],
    signals: {
      ip: { state: 'measured', why: 'lists_stale', facts: { 'ip.lists_stale': ['f1'] } },
      travel: { facts: { 'travel.state': 'placeless' } },
    },
  });
  await it.tell('login.succeeded', { subject: 'u', ip: '34.5.6.66' });
  expect((await from('34.5.6.66')).signals.velocity?.facts['subject.learned']).toBe(0);
  expect(await from('45.83.1.1')).toMatchObject({ decision: 'step-up', rule: { id: 'vpn' } });
  expect(await from('81.2.69.160')).toMatchObject({ decision: 'allow', rule: null });
  expect((await from('81.2.69.160')).signals.velocity?.facts['subject.learned']).toBe(1);
});
