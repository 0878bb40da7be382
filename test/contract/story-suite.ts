import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listConfigSchema } from '../../src/data/lists/lists.ts';
import { buildLists } from '../../src/data/lists/lists-file.ts';
import { post } from '../support/servers/stepgate.ts';

const AMSTERDAM = '89.98.229.250';
const SAO_PAULO = '201.27.183.128';
const NEW_YORK = '71.167.126.34';
const TOR_EXIT = '185.220.101.1';
const ATTACKER = '45.135.232.10';

const DAY_S = 86_400;
const HOUR_S = 3600;

const LAPTOP = { fingerprint: '5d41402abc4b2a76b9719d911017c592', components: { canvas: 'a1', fonts: 'b2' } };
const STRANGER = { fingerprint: '7d793037a0760186574b0282f2f435e7', components: { canvas: 'z9', fonts: 'y8' } };
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36';

/** A service with the default rules, geo data and the lists of this directory. */
export type OpenService = (listsDir: string) => Promise<{ readonly url: string; readonly close: () => Promise<void> }>;

/** One week of one subject, told over HTTP to a service of any runtime. */
export function storySuite(open: OpenService): void {
  let listsDir: string;
  let service: Awaited<ReturnType<OpenService>>;

  beforeAll(async () => {
    listsDir = await mkdtemp(join(tmpdir(), 'stepgate-story-'));
    const list = (name: string, category: string, text: string) => ({
      config: listConfigSchema.parse({ name, category, format: 'text', source: `${name}.txt` }),
      text,
      updatedAtMs: Date.now(),
      etag: null,
      lastModified: null,
    });
    const outcomes = await buildLists(
      [list('tor-exits', 'tor', `${TOR_EXIT}\n`), list('attackers', 'attack', `${ATTACKER}\n`)],
      { dir: listsDir },
    );
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['built', 'built']);
    service = await open(listsDir);
  }, 300_000);

  afterAll(async () => {
    await service.close();
    await rm(listsDir, { recursive: true, force: true });
  });

  async function told(path: string, body: object, expectedStatus: number) {
    const { status, text } = await post(`${service.url}${path}`, JSON.stringify(body));
    expect(status, text).toBe(expectedStatus);
    return JSON.parse(text);
  }

  const checked = (body: object) => told('/v1/risk-check', { subject: 'ann', action: 'login', ...body }, 200);
  const happened = (body: object) => told('/v1/events', { subject: 'ann', ...body }, 202);
  const codes = (answer: { reasons: { code: string }[] }): string[] => answer.reasons.map(({ code }) => code);

  test('A subject of Amsterdam through a week: home, a thief in São Paulo, a flight, Tor, an attack', async () => {
    const now = Math.floor(Date.now() / 1000);
    const at = (secondsAgo: number): string => new Date((now - secondsAgo) * 1000).toISOString();
    const home = { ip: AMSTERDAM, device: LAPTOP, user_agent: FIREFOX };

    // Learned at home: five log-ins on five days, each reported as a success. Only the very first is a stranger's.
    const decisions: string[] = [];
    for (let day = 5; day >= 1; day--) {
      const login = { ...home, occurred_at: at(day * DAY_S) };
      const answer = await checked(login);
      decisions.push(answer.decision);
      expect(answer.degraded).toEqual([]);
      expect(answer.signals.geo.facts).toMatchObject({ 'geo.city': 'Amsterdam', 'geo.country': 'NL' });
      await happened({ type: 'login.succeeded', ...login });
    }
    expect(decisions).toEqual(['step-up', 'allow', 'allow', 'allow', 'allow']);

    // São Paulo, 40 minutes later, on a device never seen.
    const theft = {
      ip: SAO_PAULO,
      device: STRANGER,
      user_agent: CHROME,
      occurred_at: at(DAY_S - 40 * 60),
    };
    const stolen = await checked(theft);
    expect(stolen.decision).toBe('step-up');
    expect(codes(stolen)).toEqual(expect.arrayContaining(['impossible_travel', 'new_device', 'new_country']));
    // 9,815 km of great circle less the accuracy radii of 1 km and 10 km, in 40 minutes.
    expect(stolen.signals.travel.facts).toEqual({
      'travel.state': 'measured',
      'travel.reference': 'subject',
      'travel.distance_km': 9804,
      'travel.elapsed_s': 2400,
      'travel.speed_kmh': 14706,
    });
    expect(stolen.step_up).toMatchObject({ required: true, satisfied: false });
    expect(stolen.step_up.www_authenticate).toContain('error="insufficient_user_authentication"');

    // Trying again teaches nothing: the same answer for the same reasons.
    for (const minutes of [41, 42, 43]) {
      const again = await checked({ ...theft, occurred_at: at(DAY_S - minutes * 60) });
      expect(again.decision).toBe('step-up');
      expect(codes(again)).toEqual(codes(stolen));
    }

    // Home again, an hour after the theft: the thief's place is nobody's baseline.
    const back = await checked({ ...home, occurred_at: at(DAY_S - 2 * HOUR_S) });
    expect(back).toMatchObject({ decision: 'allow' });
    expect(back.signals.travel.facts['travel.state']).toBe('near');

    // A step-up there, reported with `trust_device`, makes the laptop trusted.
    const { device } = await happened({
      type: 'step_up.succeeded',
      ...home,
      occurred_at: at(DAY_S - 2 * HOUR_S),
      trust_device: true,
    });
    expect(device).toMatchObject({ id: expect.stringMatching(/^d-/), token: expect.stringMatching(/^eyJ/) });
    const trusted = { ...home, device: { ...LAPTOP, token: device.token } };

    // By plane to New York, twelve hours later, with the trusted laptop.
    const landed = await checked({ ...trusted, ip: NEW_YORK, occurred_at: at(DAY_S - 14 * HOUR_S) });
    expect(landed.signals.device.facts).toMatchObject({ 'device.state': 'trusted' });
    // A copied token would come from there as well, and no key says that this is the laptop.
    expect(landed.decision).toBe('step-up');
    expect(codes(landed)).toContain('trusted_elsewhere');
    expect(codes(landed)).not.toContain('impossible_travel');
    expect(landed.signals.travel.facts['travel.speed_kmh']).toBeLessThan(600);
    expect(landed.signals.geo.facts['geo.new_country']).toBe(true);

    // From a Tor exit: no travel can be told, the address alone asks for proof.
    const hidden = await checked({ ...trusted, ip: TOR_EXIT, occurred_at: at(DAY_S - 15 * HOUR_S) });
    expect(hidden.decision).toBe('step-up');
    expect(codes(hidden)).toContain('tor_address');
    expect(hidden.signals.travel).toMatchObject({ facts: { 'travel.state': 'placeless' } });
    expect(hidden.signals.travel.facts['travel.speed_kmh']).toBeUndefined();

    // A listed attack address with five failures behind it.
    const attack = { ip: ATTACKER, device: STRANGER, user_agent: CHROME };
    for (let failure = 5; failure >= 1; failure--) {
      await happened({ type: 'login.failed', ...attack, occurred_at: at(DAY_S - 16 * HOUR_S + failure * 30) });
    }
    const attacked = await checked({ ...attack, occurred_at: at(DAY_S - 16 * HOUR_S) });
    expect(attacked.decision).toBe('step-up');
    expect(attacked.signals.ip.facts).toMatchObject({ 'ip.categories': ['attack'], 'ip.failures_10m': 5 });
    expect(codes(attacked)).toEqual(expect.arrayContaining(['attack_address', 'failing_address']));
  });
}
