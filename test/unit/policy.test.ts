import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { playCase } from '../../src/cli/play.ts';
import { noGeo } from '../../src/data/geo/no-geo.ts';
import type { JsonObject, MeasuredFacts } from '../../src/model/facts.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { FACT_CATALOG, SIGNALS } from '../../src/signals/index.ts';
import { DAY_MS, scene } from '../support/scene.ts';

const text = readFileSync(new URL('../../rules/default.json', import.meta.url), 'utf8');
const rules = compileRules([{ name: 'default.json', text }], FACT_CATALOG);

interface Step {
  readonly at: string;
  readonly check?: JsonObject;
  readonly event?: JsonObject;
}

/** Plays steps through the engine under the default policy and answers with the last one's result. */
async function play(steps: readonly Step[], standings: { readonly [address: string]: readonly string[] } = {}) {
  const last = steps.at(-1);
  if (last?.check === undefined) throw new Error('the last step has to be a check');
  const history = steps.slice(0, -1).map(({ at, check, event }) => {
    const atMs = Date.parse(at);
    if (check !== undefined) return { atMs, check: { occurred_at: at, ...check } };
    if (event !== undefined) return { atMs, event: { occurred_at: at, ...event } };
    throw new Error(`nothing happens at ${at}`);
  });
  const atMs = Date.parse(last.at);
  const request = { occurred_at: last.at, ...last.check };
  return (await playCase({ rules, geo: noGeo() }, { history, standings, request, atMs })).result;
}

const judge = (measured: MeasuredFacts) =>
  rules.evaluate({ measured, context: {}, resourceProperties: {}, subjectProperties: {} });

const codes = ({ reasons }: { readonly reasons: readonly { readonly code: string }[] }) =>
  reasons.map(({ code }) => code);

const paris = { lat: 48.8566, lon: 2.3522, country: 'FR', city: 'Paris', accuracy_km: 20 };
const tokyo = { lat: 35.6762, lon: 139.6503, country: 'JP', city: 'Tokyo', accuracy_km: 20 };
const newYork = { lat: 40.71, lon: -74, country: 'US', city: 'New York', accuracy_km: 20 };
const berlin = { lat: 52.52, lon: 13.405, country: 'DE', city: 'Berlin', accuracy_km: 20 };

/** A log-in after which the device is trusted. */
const trusted = (at: string, subject: string, ip: string, fingerprint: string, geo?: JsonObject): Step => ({
  at,
  event: {
    type: 'login.succeeded',
    subject,
    ip,
    device: { fingerprint },
    trust_device: true,
    ...(geo === undefined ? {} : { geo }),
  },
});

describe('the default policy', () => {
  it.each(SIGNALS.map(({ name, facts }) => [name, Object.keys(facts)] as const))(
    'The default policy uses the signal %s',
    (_name, facts) => {
      expect(facts.some((fact) => text.includes(`"${fact}"`))).toBe(true);
    },
  );

  /** @see https://github.com/firehol/blocklist-ipsets/issues/13 */
  it('The default policy never denies for one feed alone, and an allow list takes the feed out', async () => {
    const request = { action: 'request', ip: '140.82.112.3' };
    const listed = await play([{ at: '2025-03-10T12:00:00Z', check: request }], { '140.82.112.3': ['attack'] });
    expect(listed.decision).toBe('step-up');
    expect(codes(listed)).toEqual(['attack_address', 'medium_risk']);
    const allowed = await play([{ at: '2025-03-10T12:00:00Z', check: request }], { '140.82.112.3': ['allow'] });
    expect(allowed).toMatchObject({ decision: 'allow', score: 0, reasons: [] });
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/547 */
  it('The default policy asks at most for a fingerprint that an abuser shares, and not at all where a token vouches for the device', async () => {
    const shared = 'fp-of-one-phone-model';
    const abuse = Array.from({ length: 12 }, (_, index) => ({
      at: '2025-03-10T11:00:00Z',
      check: { subject: `abuser-${index}`, action: 'login', ip: '198.51.99.7', device: { fingerprint: shared } },
    }));
    const innocent = (token: boolean): Step => ({
      at: '2025-03-10T12:00:00Z',
      check: {
        subject: 'innocent',
        action: 'login',
        ip: '81.2.69.160',
        device: { fingerprint: shared, ...(token ? { token: '$token' } : {}) },
      },
    });
    const home = trusted('2025-03-09T12:00:00Z', 'innocent', '81.2.69.160', shared);
    expect((await play([home, ...abuse, innocent(true)])).decision).toBe('allow');
    const stranger = await play([...abuse, innocent(false)]);
    expect(stranger.decision).toBe('step-up');
    expect(codes(stranger)).toContain('shared_device');
  });

  /** @see https://github.com/KanishJebaMathewM/Truxify/pull/4594 */
  it('The default policy takes a flight from Paris to Tokyo in fourteen hours for possible, and asks a trusted device without a key once', async () => {
    const result = await play([
      trusted('2025-03-09T20:00:00Z', 'u1', '81.2.69.160', 'fp', paris),
      {
        at: '2025-03-10T10:00:00Z',
        check: {
          subject: 'u1',
          action: 'login',
          ip: '126.1.2.3',
          device: { fingerprint: 'fp', token: '$token' },
          geo: tokyo,
        },
      },
    ]);
    // A copied token would look the same.
    expect(result.decision).toBe('step-up');
    expect(codes(result).toSorted()).toEqual(['new_country', 'new_network', 'trusted_device', 'trusted_elsewhere']);
    const speed = Number(result.signals.travel?.facts['travel.speed_kmh']);
    expect(speed).toBeGreaterThan(680);
    expect(speed).toBeLessThan(700);
  });

  /** @see https://github.com/zammad/zammad/issues/5665 */
  it('The default policy takes a private address for no new country', async () => {
    const result = await play([
      trusted('2025-03-09T20:00:00Z', 'u1', '81.2.69.160', 'fp', { country: 'AU', lat: -33.87, lon: 151.2 }),
      {
        at: '2025-03-10T10:00:00Z',
        check: { subject: 'u1', action: 'login', ip: '10.25.0.24', device: { fingerprint: 'fp', token: '$token' } },
      },
    ]);
    expect(result.decision).toBe('allow');
    expect(codes(result)).toEqual(['trusted_device']);
  });

  /** @see https://github.com/mailcow/mailcow-dockerized/pull/295 */
  it('The default policy lets a session swap between IPv6 and mapped IPv4, reading and paying, once both were seen', async () => {
    const device = { fingerprint: 'fp', token: '$token' };
    const login = (second: number, ip: string): Step => ({
      at: `2025-03-10T12:00:0${second}Z`,
      event: { type: 'login.succeeded', subject: 'u1', ip, session: 's1', device },
    });
    const request = (second: number, ip: string, action: string): Step => ({
      at: `2025-03-10T12:00:0${second}Z`,
      check: { subject: 'u1', action, ip, session: 's1', device },
    });
    const before = trusted('2025-03-09T12:00:00Z', 'u1', '2a02:8108:1::1', 'fp');
    const first = await play([before, login(0, '2a02:8108:1::1'), request(1, '::ffff:81.2.69.160', 'profile.view')]);
    expect(first.decision).toBe('allow');
    expect(first.signals.session?.facts['session.ip_changed']).toBe(true);
    const both = [before, login(0, '2a02:8108:1::1'), login(1, '81.2.69.160')];
    for (const action of ['profile.view', 'payment.transfer']) {
      for (const ip of ['::ffff:81.2.69.160', '2a02:8108:1::1']) {
        const again = await play([...both, request(2, ip, action)]);
        expect(again.decision).toBe('allow');
        expect(again.signals.session?.facts['session.ip_changed']).toBe(false);
        expect(again.signals.device?.facts['device.trusted']).toBe(true);
      }
    }
  });

  it('The default policy learns nothing from a stolen session on routes that nobody guards, so that the log-in after it is still asked', async () => {
    const device = { fingerprint: 'fp-ann' };
    const days = ['01', '02', '03', '04', '05'];
    const home = days.map((day) => ({
      at: `2026-11-${day}T08:00:00Z`,
      event: { type: 'login.succeeded', subject: 'ann', ip: '81.2.69.160', session: 's1', device },
    }));
    const thief = { subject: 'ann', ip: '86.1.2.3' };
    const browse = (at: string): Step => ({ at, check: { ...thief, session: 's1', action: 'request' } });
    const stolen = [browse('2026-11-06T08:00:00Z'), browse('2026-11-06T08:10:00Z')];
    const login = { at: '2026-11-06T09:00:00Z', check: { ...thief, action: 'login', device } };
    expect(codes(await play([...home, ...stolen, login]))).toContain('new_network');
    expect(await play([...home, ...stolen, login])).toMatchObject({ decision: 'step-up' });
  });

  /** @see https://github.com/oauth-wg/oauth-cross-device-security/issues/202 */
  it('The default policy lets a phone that tunnels home and a laptop on the spot be in two countries at once', async () => {
    const at = (time: string, device: JsonObject, ip: string, geo: JsonObject): Step => ({
      at: `2025-03-10T${time}Z`,
      check: { subject: 'u1', action: 'request', ip, device, geo },
    });
    const laptop = { fingerprint: 'laptop', token: '$token' };
    const laptopAbroad = await play([
      trusted('2025-03-10T09:00:00Z', 'u1', '81.2.69.160', 'laptop', berlin),
      at('12:00:00', { fingerprint: 'phone' }, '126.1.2.3', newYork),
      at('12:00:30', laptop, '81.2.69.160', berlin),
    ]);
    expect(laptopAbroad.decision).toBe('allow');
    expect(laptopAbroad.signals.travel?.facts).toMatchObject({ 'travel.reference': 'device', 'travel.state': 'near' });
  });

  /** @see https://github.com/oauth-wg/oauth-cross-device-security/issues/202 */
  it('The default policy does not flap while two trusted devices in two countries take turns, and tells that there are two', async () => {
    const it = scene({ rules: JSON.parse(text) });
    const homeward = { ip: '203.0.112.5', geo: newYork };
    const local = { ip: '81.2.69.160', geo: berlin };
    const enrol = async (fingerprint: string) => {
      const body = { subject: 'u1', ...homeward, device: { fingerprint }, trust_device: true };
      const { device } = await it.tell('login.succeeded', body);
      return { fingerprint, token: device?.token };
    };
    const phone = { ...homeward, device: await enrol('phone') };
    const laptop = { ...local, device: await enrol('laptop') };
    it.clock.ms += 2 * DAY_MS;
    const asked: number[] = [];
    for (let turn = 0; turn < 10; turn++) {
      const from = turn % 2 === 0 ? phone : laptop;
      const transfer = { subject: 'u1', action: 'payment.transfer', ...from, context: { amount: 10 } };
      const { decision, signals } = await it.check(transfer);
      expect(decision).not.toBe('deny');
      if (decision === 'step-up') {
        asked.push(turn);
        expect((await it.check({ ...transfer, step_up_token: await it.proof('u1') })).decision).toBe('allow');
      }
      if (turn > 1) {
        expect(signals.travel?.facts).toMatchObject({ 'travel.state': 'near', 'travel.reference': 'device' });
        expect(signals.velocity?.facts).toMatchObject({ 'subject.countries_24h': 2 });
      }
      it.clock.ms += 30_000;
    }
    // Once, for a payment from a network that the subject was never seen on.
    expect(asked).toEqual([1]);
  });

  /**
   * @see https://github.com/panther-labs/panther-analysis/pull/1358
   * @see https://github.com/mpolden/echoip/issues/155
   */
  it('The default policy holds no travel against a satellite operator, whose address says nothing of the place', () => {
    const aboard = {
      action: 'login',
      'ip.kind': 'public',
      'ip.known': false,
      'ip.categories': [],
      'ip.asn': 14593,
      'travel.state': 'satellite',
    };
    expect(judge({ ...aboard, 'device.state': 'trusted', 'device.trusted': true }).decision).toBe('allow');
    expect(judge({ ...aboard, 'device.state': 'known', 'device.trusted': false }).decision).toBe('step-up');
  });

  /**
   * @see https://github.com/panther-labs/panther-analysis/pull/1358
   * @see https://github.com/mpolden/echoip/issues/155
   */
  it.each([
    [
      'in-flight wifi',
      22351,
      { lat: 33.9425, lon: -118.408, country: 'US' },
      { lat: 38.918, lon: -77.231, country: 'US' },
      'allow',
    ],
    [
      'a satellite line',
      14593,
      { lat: 50.0755, lon: 14.4378, country: 'CZ' },
      { lat: 51.5074, lon: -0.1278, country: 'GB' },
      // Registered in a country where the subject never was, as a copied token might be used.
      'step-up',
    ],
  ] as const)(
    'The default policy takes %s for no journey, there and back, and does not move the home by it',
    async (_name, asn, home, registered, withToken) => {
      const it = scene({
        rules: JSON.parse(text),
        reputation: () => ({
          configured: true,
          standing: (address) => ({ categories: [], lists: [], asn: address.text === '143.105.1.1' ? asn : 64500 }),
          status: () => [],
        }),
      });
      const city = (geo: object) => ({ ...geo, city: 'Somewhere', accuracy_km: 50 });
      const atHome = { subject: 'u1', ip: '81.2.69.160', geo: city(home) };
      const login = { ...atHome, device: { fingerprint: 'fp' }, trust_device: true };
      const { device } = await it.tell('login.succeeded', login);
      const token = { fingerprint: 'fp', token: device?.token };
      it.clock.ms += 30 * 60_000;
      const aboard = { subject: 'u1', ip: '143.105.1.1', geo: city(registered) };
      for (const [shown, decision] of [
        [token, withToken],
        [{ fingerprint: 'fp' }, 'step-up'],
      ] as const) {
        const result = await it.check({ ...aboard, action: 'login', device: shown });
        expect(result.decision).toBe(decision);
        expect(codes(result)).not.toContain('impossible_travel');
        expect(result.signals.travel?.facts).toEqual({ 'travel.state': 'satellite' });
      }
      await it.tell('login.succeeded', { ...aboard, device: token });
      it.clock.ms += 10 * 60_000;
      const landed = await it.check({ ...atHome, action: 'login', device: token });
      expect(landed).toMatchObject({ decision: 'allow', signals: { travel: { facts: { 'travel.state': 'near' } } } });
    },
  );

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/913 */
  it('The default policy asks a second browser that shows the fingerprint of the trusted one', async () => {
    const chrome =
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36';
    const home = trusted('2025-03-09T12:00:00Z', 'u1', '81.2.69.160', 'x1');
    const result = await play([
      { ...home, event: { ...home.event, user_agent: chrome } },
      {
        at: '2025-03-10T12:00:00Z',
        check: {
          subject: 'u1',
          action: 'login',
          ip: '81.2.69.160',
          user_agent: `${chrome} Edg/134.0.0.0`,
          device: { fingerprint: 'x1' },
        },
      },
    ]);
    expect(result.decision).toBe('step-up');
    expect(codes(result)).toEqual(expect.arrayContaining(['untrusted_device', 'client_changed']));
    expect(result.signals.device?.facts['device.trusted']).toBe(false);
    expect(result.device?.token ?? null).toBeNull();
  });
});
