import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedTraits, matchDevice, similarityOf } from '../../../src/engine/device-match.ts';
import { lessonOf } from '../../../src/engine/lesson.ts';
import { type Baseline, grantTrust, revokeAllDevices, revokeDevice } from '../../../src/model/baseline.ts';
import { keyHash } from '../../../src/model/device-key.ts';
import { othersOn } from '../../../src/model/device-token.ts';
import { device } from '../../../src/signals/device.ts';
import { session } from '../../../src/signals/session.ts';
import { velocity } from '../../../src/signals/velocity.ts';
import {
  baseline,
  DAY,
  type Given,
  genuine,
  HOUR,
  history,
  knownDevice,
  knownSession,
  learnedFrom,
  measure,
  NOON,
  observation,
  STORE_DOWN,
} from '../../support/signals/given.ts';

const LIVE = NOON + 10 * DAY;

function measureDevice(given: Given, known: Baseline | null) {
  return measure(device, observation(given), history(known), null);
}

function stateOf(given: Given, known: Baseline | null) {
  return measureDevice(given, known).facts['device.state'];
}

/** The baseline after this observation satisfied a step-up that grants trust. */
function trustedAfter(given: Given, known: Baseline | null, freshId = 'd-1'): Baseline {
  const seen = observation(given);
  const match = matchDevice(seen, known);
  const lesson = lessonOf(seen, { id: match.id ?? freshId, proven: match.proven });
  if (lesson.device === null) throw new Error('no device to trust');
  const { changed, of: instead } = changedTraits(seen, known);
  const until = lesson.at + 30 * DAY;
  const span = { at: lesson.at, until, renewableUntil: until, provenAt: lesson.at, shown: null, handed: null };
  return grantTrust(known, { ...span, device: lesson.device, changed, instead });
}

const TRAITS = { ua: 'chrome', canvas: 'h1', fonts: 'f1', tz: 'Europe/Berlin', gpu: 'g1', audio: 'a1' };

describe('a fingerprint without a token', () => {
  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/539 */
  it('A fingerprint without a token makes nobody trusted: an identical phone of somebody else is new, and the owner keeps his trust', () => {
    const alice = baseline({ devices: [knownDevice({ fingerprint: 'fp-iphone', trustedUntil: LIVE })] });
    expect(stateOf({ subject: 'bob', fingerprint: 'fp-iphone' }, null)).toBe('new');
    expect(stateOf({ subject: 'alice', fingerprint: 'fp-iphone', token: genuine({ subject: 'alice' }) }, alice)).toBe(
      'trusted',
    );
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/547 */
  it('A fingerprint without a token tells how many subjects share it, and takes nothing from one who holds a token', () => {
    const known = baseline({ devices: [knownDevice({ trustedUntil: LIVE })] });
    const shared = { ...history(known), device: { state: 'read', value: { subjects24h: 41 } } } as const;
    expect(measure(device, observation({ fingerprint: 'fp-1', token: genuine() }), shared, null).facts).toMatchObject({
      'device.state': 'trusted',
      'device.subjects_24h': 41,
    });
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/913 */
  it('A fingerprint without a token is known but not trusted when it equals that of a trusted browser, and the missing token is said', () => {
    const known = baseline({ devices: [knownDevice({ trustedUntil: LIVE })] });
    expect(measureDevice({ fingerprint: 'fp-1' }, known).facts).toMatchObject({
      'device.state': 'known',
      'device.trusted': false,
      'device.token_missing': true,
    });
  });

  it('Lost tokens are counted by the traits of their devices, and unknown beside a genuine token and for a new device', () => {
    const lost = { trustedUntil: LIVE };
    const known = baseline({
      devices: [knownDevice({ id: 'd-1', ...lost }), knownDevice({ id: 'd-2', ...lost }), knownDevice({ id: 'd-3' })],
    });
    const lostBeside = (given: Given) => measureDevice(given, known).facts['device.tokens_lost'];
    expect(lostBeside({ fingerprint: 'fp-1' })).toBe(2);
    expect(lostBeside({ fingerprint: 'fp-1', nowMs: LIVE * 1000 })).toBe(0);
    expect(lostBeside({ fingerprint: 'fp-9' })).toBeUndefined();
    expect(lostBeside({ fingerprint: 'fp-1', token: genuine() })).toBeUndefined();
  });

  it('A fingerprint without a token gets a record of its own beside that of the trusted browser, which it cannot change', () => {
    const known = baseline({ devices: [knownDevice({ trustedUntil: LIVE, client: 'chrome/windows' })] });
    const edge: Given = {
      fingerprint: 'fp-1',
      userAgent: 'Mozilla/5.0 (Windows NT 10.0) Chrome/134.0 Safari/537.36 Edg/134',
    };
    const once = learnedFrom([observation(edge)], known);
    expect(once?.devices).toHaveLength(2);
    expect(once?.devices.find(({ id }) => id === 'd-1')).toEqual(known.devices[0]);
    const twice = learnedFrom([observation(edge)], once);
    expect(twice?.devices).toHaveLength(2);
  });

  it('A fingerprint without a token is known when it was seen before, and new when it was not', () => {
    const known = baseline({ devices: [knownDevice()] });
    expect(stateOf({ fingerprint: 'fp-1' }, known)).toBe('known');
    expect(stateOf({ fingerprint: 'fp-2' }, known)).toBe('new');
    expect(measureDevice({ fingerprint: 'fp-1' }, known).facts['device.age_days']).toBe(40);
  });

  it('A fingerprint without a token of a revoked device is new', () => {
    const known = revokeDevice(baseline({ devices: [knownDevice({ trustedUntil: LIVE })] }), 'd-1', NOON - HOUR);
    expect(stateOf({ fingerprint: 'fp-1' }, known)).toBe('new');
  });

  it('A fingerprint without a token has drifted when most components are still those of a known device', () => {
    const known = baseline({ devices: [knownDevice({ components: TRAITS })] });
    const drifted: Given = { fingerprint: 'fp-2', components: { ...TRAITS, canvas: 'h2', gpu: 'g2' } };
    expect(measureDevice(drifted, known).facts).toMatchObject({ 'device.state': 'drifted', 'device.similarity': 0.67 });
    const other: Given = { fingerprint: 'fp-3', components: { ...TRAITS, canvas: 'x', gpu: 'x', audio: 'x' } };
    expect(measureDevice(other, known).facts).toMatchObject({ 'device.state': 'new', 'device.similarity': 0.5 });
  });

  it('A fingerprint without a token cannot pass for another by sending only the components that everybody shares', () => {
    expect(similarityOf({ tz: 'Europe/Berlin' }, TRAITS)).toBeCloseTo(1 / 6);
    expect(similarityOf(TRAITS, { tz: 'Europe/Berlin' })).toBeCloseTo(1 / 6);
  });
});

describe('a device token', () => {
  const known = baseline({ devices: [knownDevice({ trustedUntil: LIVE, components: TRAITS })] });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/515 */
  it('A device token keeps a device trusted through a browser update, and the stored value rolls forward', () => {
    const updated: Given = { token: genuine(), fingerprint: 'fp-2', components: { ...TRAITS, canvas: 'h2' } };
    expect(stateOf(updated, known)).toBe('trusted');
    const after = learnedFrom([observation(updated)], known);
    expect(after?.devices).toMatchObject([{ id: 'd-1', fingerprint: 'fp-2', components: { canvas: 'h2' } }]);
    expect(after?.devices[0]?.trustedUntil).toBe(LIVE);
    const { token: _, ...bare } = updated;
    const cleared = { ...bare, components: { ...TRAITS, canvas: 'h2', fonts: 'f2', gpu: 'g2' } };
    expect(stateOf(cleared, known)).toBe('new');
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/809 */
  it('A device token or enough other components keep a phone itself when low-power mode changes one of them', () => {
    const traits = { ...TRAITS, hdr: 'true' };
    const phone = baseline({ devices: [knownDevice({ components: traits, trustedUntil: LIVE })] });
    const dimmed: Given = { fingerprint: 'fp-dim', components: { ...traits, hdr: 'false' } };
    expect(stateOf({ ...dimmed, token: genuine() }, phone)).toBe('trusted');
    expect(stateOf(dimmed, phone)).toBe('drifted');
    expect(stateOf({ fingerprint: 'fp-dim' }, phone)).toBe('new');
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/725 */
  it('A device token carries a device through another monitor in the middle of a session', () => {
    const groups = { screen: 's1', gpu: 'g1', fonts: 'f1', canvas: 'c1' };
    let now = baseline({
      devices: [knownDevice({ fingerprint: 'm1', components: groups, trustedUntil: LIVE })],
      sessions: [knownSession({ device: 'd-1' })],
    });
    for (const [second, fingerprint] of ['m1', 'm2', 'm1'].entries()) {
      const components = { ...groups, screen: fingerprint };
      const visit = observation({ at: NOON + second * 20, session: 's-1', fingerprint, components, token: genuine() });
      expect(measure(device, visit, history(now), null).facts['device.state']).toBe('trusted');
      expect(measure(session, visit, history(now), null).facts['session.device_changed']).toBe(false);
      expect(visit.keys.device).toBe('d-1');
      now = learnedFrom([visit], now) ?? now;
    }
    expect(now.devices).toHaveLength(1);
  });

  /** @see https://github.com/rappasoft/laravel-authentication-log/issues/40 */
  it('And no version in the user agent decides what a device is', () => {
    const chrome = (version: number): Given => ({
      userAgent: `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/${version}.0.0.0 Safari/537.36`,
      fingerprint: 'fp-1',
      components: TRAITS,
      token: genuine(),
    });
    const after = learnedFrom([observation(chrome(133))], known);
    expect(measureDevice(chrome(134), after).facts['device.state']).toBe('trusted');
    expect(after?.devices[0]?.client).toBe('chrome/linux');
  });

  /** @see https://github.com/FusionAuth/fusionauth-issues/issues/3126 */
  it('A device token names a computer that two people share, and each keeps his own trust in it', () => {
    const first = trustedAfter({ subject: 'u1', fingerprint: 'fp' }, null, 'd-pc');
    const ofFirst = genuine({ device: 'd-pc', subject: 'u1' });
    expect(stateOf({ subject: 'u2', fingerprint: 'fp', token: ofFirst }, null)).toBe('mismatch');
    const second = trustedAfter({ subject: 'u2', fingerprint: 'fp', token: ofFirst }, null);
    const token = genuine({ device: 'd-pc', subject: 'u2', others: othersOn(ofFirst, 'd-pc', 'u2', NOON) });
    expect(stateOf({ subject: 'u1', fingerprint: 'fp', token }, first)).toBe('trusted');
    expect(stateOf({ subject: 'u2', fingerprint: 'fp', token }, second)).toBe('trusted');
    expect(stateOf({ subject: 'u2', fingerprint: 'fp', token }, revokeDevice(second, 'd-pc', NOON))).toBe('revoked');
    expect(stateOf({ subject: 'u1', fingerprint: 'fp', token }, first)).toBe('trusted');
  });

  it('A device token that was left in a browser does not follow whoever earns trust there', () => {
    const planted = genuine({ device: 'd-kiosk', subject: 'attacker' });
    const victim = trustedAfter({ subject: 'u2', fingerprint: 'fp', token: planted }, null);
    expect(victim.devices).toMatchObject([{ id: 'd-kiosk', trustedUntil: NOON + 30 * DAY }]);
    const copied: Given = { subject: 'u2', fingerprint: 'fp', token: planted };
    expect(stateOf(copied, victim)).toBe('mismatch');
    expect(learnedFrom([observation(copied)], victim)?.devices).toContainEqual(victim.devices[0]);
  });

  it('A device token cannot be exchanged for one that outlives what it was stolen with', () => {
    const stolen = genuine({ issuedAt: NOON - DAY, expiresAt: NOON + HOUR });
    const laundered = genuine({
      subject: 'attacker',
      issuedAt: NOON,
      others: othersOn(stolen, 'd-1', 'attacker', NOON),
    });
    const trusted = baseline({ devices: [knownDevice({ trustedUntil: LIVE })] });
    expect(stateOf({ fingerprint: 'fp-1', token: laundered }, trusted)).toBe('trusted');
    expect(stateOf({ token: laundered, nowMs: (NOON + HOUR) * 1000 }, trusted)).toBe('mismatch');
    const revoked = revokeAllDevices(trusted, NOON);
    const again = trustedAfter({ token: stolen, at: NOON + 1 }, revoked);
    expect(stateOf({ token: laundered }, again)).toBe('revoked');
    expect(stateOf({ token: genuine({ subject: 'attacker', issuedAt: NOON + HOUR }) }, again)).toBe('mismatch');
  });

  it('A device token of another subject is a mismatch, even where this one has devices', () => {
    expect(stateOf({ token: genuine({ device: 'd-9', subject: 'u9' }) }, known)).toBe('mismatch');
  });

  it('A device token on a machine that resembles its own in less than half is a mismatch, and the machine gets an id of its own', () => {
    const carried: Given = {
      token: genuine(),
      fingerprint: 'fp-thief',
      components: { ua: 'chrome', canvas: 'x', fonts: 'x', tz: 'x', gpu: 'x', audio: 'x' },
    };
    expect(measureDevice(carried, known).facts).toMatchObject({
      'device.state': 'mismatch',
      'device.trusted': false,
      'device.similarity': 0.17,
    });
    expect(matchDevice(observation(carried), known)).toMatchObject({ id: null, proven: false });
    const after = learnedFrom([observation(carried)], known);
    expect(after?.devices.find(({ id }) => id === 'd-1')).toEqual(known.devices[0]);
  });

  it('A device token is not called carried away by fewer than four components', () => {
    const few = { canvas: 'x', fonts: 'x', gpu: 'x' };
    expect(stateOf({ token: genuine(), fingerprint: 'fp-2', components: few }, known)).toBe('unconfirmed');
  });

  it('A device token trusts for as long as was granted and no longer', () => {
    const whole = { token: genuine(), fingerprint: 'fp-1', components: TRAITS };
    expect(stateOf({ ...whole, nowMs: LIVE * 1000 - 1 }, known)).toBe('trusted');
    expect(stateOf({ ...whole, nowMs: LIVE * 1000 }, known)).toBe('known');
  });

  it('A device token trusts by the real clock, whatever moment is replayed', () => {
    expect(stateOf({ token: genuine(), at: LIVE - 60 * DAY, nowMs: LIVE * 1000 }, known)).toBe('known');
  });

  it('A device token of a revoked device is revoked, and stays so when the device is trusted anew with a fresh token', () => {
    const revoked = revokeDevice(known, 'd-1', NOON - HOUR);
    const stolen = genuine({ issuedAt: NOON - DAY });
    expect(stateOf({ token: stolen, fingerprint: 'fp-1' }, revoked)).toBe('revoked');
    const again = trustedAfter({ token: stolen, fingerprint: 'fp-1' }, revoked);
    expect(stateOf({ token: stolen }, again)).toBe('revoked');
    expect(stateOf({ token: genuine({ issuedAt: NOON }), fingerprint: 'fp-1' }, again)).toBe('trusted');
  });

  it('Issued before all devices were revoked is revoked', () => {
    const all = revokeAllDevices(known, NOON - HOUR);
    expect(stateOf({ token: genuine({ issuedAt: NOON - HOUR - 1 }) }, all)).toBe('revoked');
    expect(stateOf({ token: genuine({ device: 'd-forgotten', issuedAt: NOON - HOUR - 1 }) }, all)).toBe('revoked');
  });

  it('A device token alone holds no trust once the store has forgotten the device', () => {
    expect(stateOf({ token: genuine() }, null)).toBe('new');
    expect(
      stateOf(
        { token: genuine(), fingerprint: 'fp-7' },
        baseline({ devices: [knownDevice({ id: 'd-7', fingerprint: 'fp-7' })] }),
      ),
    ).toBe('known');
  });

  it('A device token that is invalid counts for nothing, and that it came is said', () => {
    const invalid = { state: 'invalid', why: 'bad_signature' } as const;
    expect(measureDevice({ token: invalid }, known)).toMatchObject({
      state: 'unknown',
      why: 'invalid_token',
      facts: { 'device.state': 'absent' },
    });
    expect(stateOf({ token: invalid, fingerprint: 'fp-1' }, known)).toBe('known');
  });

  it('A device token of each of three devices of one person keeps its own trust', () => {
    const three = baseline({
      devices: ['a', 'b', 'c'].map((id) => knownDevice({ id, fingerprint: `fp-${id}`, trustedUntil: LIVE })),
    });
    for (const id of ['a', 'b', 'c']) {
      expect(stateOf({ token: genuine({ device: id }), fingerprint: `fp-${id}` }, three)).toBe('trusted');
    }
  });
});

describe('a device token beside the traits on record', () => {
  const known = baseline({
    devices: [knownDevice({ trustedUntil: LIVE, components: TRAITS, client: 'chrome/linux' })],
  });

  it('A device token beside the traits on record is unconfirmed where they are left out or fewer, names its device all the same, and changes nothing of what is on record', () => {
    const { audio: _audio, ...five } = TRAITS;
    const less: Given[] = [
      {},
      { fingerprint: 'fp-1' },
      { fingerprint: 'fp-1', components: five },
      { fingerprint: 'fp-2', components: five },
      { components: TRAITS },
      { fingerprint: 'fp-2' },
    ];
    for (const shown of less) {
      const seen: Given = { ...shown, token: genuine() };
      expect(measureDevice(seen, known).facts).toMatchObject({
        'device.state': 'unconfirmed',
        'device.trusted': false,
      });
      expect(matchDevice(observation(seen), known)).toMatchObject({ id: 'd-1', proven: true });
    }
    expect(stateOf({ token: genuine(), nowMs: LIVE * 1000 }, known)).toBe('known');
    expect(stateOf({ token: genuine() }, revokeDevice(known, 'd-1', NOON))).toBe('revoked');
  });

  it('A device token beside the traits on record is trusted alone where the device never had any, and where more is shown than is on record', () => {
    const bare = baseline({ devices: [knownDevice({ fingerprint: null, trustedUntil: LIVE })] });
    expect(stateOf({ token: genuine() }, bare)).toBe('trusted');
    expect(stateOf({ token: genuine(), fingerprint: 'fp-9', components: TRAITS }, bare)).toBe('trusted');
    const few = baseline({ devices: [knownDevice({ trustedUntil: LIVE, components: { ua: 'chrome', gpu: 'g1' } })] });
    expect(stateOf({ token: genuine(), fingerprint: 'fp-9', components: TRAITS }, few)).toBe('trusted');
  });

  it('A device token beside the traits on record is confirmed by a step-up, with the traits that are shown then, or else with those on record', () => {
    const blocked: Given = { token: genuine(), fingerprint: 'fp-blocked' };
    expect(stateOf(blocked, known)).toBe('unconfirmed');
    expect(stateOf(blocked, trustedAfter(blocked, known))).toBe('trusted');
    const navigation = trustedAfter({ token: genuine() }, known);
    expect(navigation.devices).toMatchObject([{ fingerprint: 'fp-1', components: TRAITS }]);
    expect(stateOf({ token: genuine() }, navigation)).toBe('unconfirmed');
  });

  it('A device token beside the traits on record takes groups that strangers with the same browser share for no sign of the same machine', () => {
    const groups = { audio: 'a', browser: 'b', locale: 'l', fonts: 'f', machine: 'm', screen: 's', webgl: 'w' };
    const firefox = baseline({ devices: [knownDevice({ trustedUntil: LIVE, components: groups })] });
    const stolen = observation({
      token: genuine(),
      fingerprint: 'fp-thief',
      components: { ...groups, machine: 'x', screen: 'x', webgl: 'x' },
    });
    const seen = { ...stolen, keys: { ...stolen.keys, shared: ['audio', 'browser', 'locale'] } };
    expect(measure(device, seen, history(firefox), null).facts).toMatchObject({
      'device.state': 'mismatch',
      'device.similarity': 0.57,
    });
    // Without the names nothing but half of all groups could be asked for.
    expect(measure(device, stolen, history(firefox), null).facts).toMatchObject({ 'device.state': 'trusted' });
  });

  it('A device token beside the traits on record does not miss a constant that was learned before it was known to be one', () => {
    const learned = baseline({
      devices: [knownDevice({ trustedUntil: LIVE, components: { ...TRAITS, canvas: 'CONST' } })],
    });
    const { canvas: _canvas, ...rest } = TRAITS;
    const shown = observation({ token: genuine(), fingerprint: 'fp-1', components: rest });
    const stateNow = (constants: readonly string[]) =>
      measure(device, { ...shown, keys: { ...shown.keys, constants } }, history(learned), null).facts['device.state'];
    expect(stateNow([])).toBe('unconfirmed');
    expect(stateNow(['CONST'])).toBe('trusted');
  });

  it('A device token beside the traits on record is never believed more for showing less', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const components = fc.dictionary(fc.constantFrom(...names), fc.constantFrom('1', '2'));
    const traits = fc.record({ fingerprint: fc.constantFrom(null, 'fp-1', 'fp-2'), components });
    const some = fc.record({ fingerprint: fc.boolean(), names: fc.subarray(names) });
    fc.assert(
      fc.property(traits, traits, some, fc.subarray(names), (recorded, shown, kept, shared) => {
        const on = baseline({ devices: [knownDevice({ ...recorded, trustedUntil: LIVE })] });
        const state = (given: Given) => {
          const seen = observation({ ...given, token: genuine() });
          return matchDevice({ ...seen, keys: { ...seen.keys, shared } }, on).state;
        };
        const less = {
          fingerprint: kept.fingerprint ? shown.fingerprint : null,
          components: Object.fromEntries(
            Object.entries(shown.components).filter(([name]) => kept.names.includes(name)),
          ),
        };
        expect(state(less) !== 'trusted' || state(shown) === 'trusted').toBe(true);
        expect(['trusted', 'unconfirmed', 'mismatch']).toContain(state(shown));
        if (recorded.fingerprint === null && Object.keys(recorded.components).length === 0) {
          expect(state(shown)).toBe('trusted');
        } else {
          expect(state({})).toBe('unconfirmed');
        }
        expect(state(recorded)).toBe('trusted');
      }),
      { numRuns: 500 },
    );
  });
});

describe('traits that a browser blurs', () => {
  const SHARED = { audio: 'a1', browser: 'b1', fonts: 'f1', locale: 'l1' };
  const OWN = { canvas: 'c1', machine: 'm1', screen: 's1', webgl: 'w1' };
  const traits = { ...SHARED, ...OWN };
  const known = baseline({ devices: [knownDevice({ trustedUntil: LIVE, components: traits })] });
  /** As a browser shows itself that was started for the n-th time. */
  const blurred = (n: number): Given => ({
    fingerprint: `fp-blurred-${n}`,
    components: { ...traits, audio: `a-${n}`, canvas: `c-${n}`, webgl: `w-${n}`, machine: `m-${n}` },
  });
  const stateWith = (given: Given, of: Baseline): unknown => {
    const seen = observation(given);
    return matchDevice({ ...seen, keys: { ...seen.keys, shared: Object.keys(SHARED) } }, of).state;
  };

  it('Traits that a browser blurs are asked for once, and count no more against the device that proved itself with them', () => {
    const again: Given = { ...blurred(1), token: genuine() };
    expect(stateWith(again, known)).toBe('mismatch');
    const seen = observation(again);
    const { changed, of } = changedTraits(seen, known);
    expect([[...changed].sort(), of]).toEqual([['audio', 'canvas', 'fingerprint', 'machine', 'webgl'], 'd-1']);
    const until = NOON + 30 * DAY;
    const lesson = lessonOf(seen, { id: 'd-2', proven: true });
    if (lesson.device === null) throw new Error('no device to trust');
    const span = { at: NOON + 1, until, renewableUntil: until, provenAt: NOON, shown: null, handed: null };
    const proven = grantTrust(known, { ...span, device: lesson.device, changed, instead: of });
    for (const n of [2, 3, 4]) {
      expect(stateWith({ ...blurred(n), token: genuine({ device: 'd-2' }) }, proven)).toBe('trusted');
    }
    // What it shows the same each time still counts.
    const other = { ...blurred(5), components: { ...blurred(5).components, screen: 'x', fonts: 'x', locale: 'x' } };
    expect(stateWith({ ...other, token: genuine({ device: 'd-2' }) }, proven)).not.toBe('trusted');
    expect(stateWith({ token: genuine({ device: 'd-2' }) }, proven)).toBe('unconfirmed');
    expect(stateWith({ ...blurred(2), token: genuine() }, proven)).toBe('revoked');
  });

  it('Traits that a browser blurs are not what a thief can bring about: without a proof nothing becomes unstable', () => {
    const thief = observation({ ...blurred(1), token: genuine() });
    expect(learnedFrom([thief, thief, thief], known)?.devices.flatMap(({ unstable }) => unstable)).toEqual([]);
    for (const token of [
      { state: 'absent' } as const,
      genuine({ subject: 'thief' }),
      genuine({ device: 'd-9' }),
      genuine({ expiresAt: NOON }),
    ]) {
      expect(changedTraits(observation({ ...blurred(1), token }), known)).toEqual({ changed: [], of: null });
    }
  });

  it('Traits that a browser blurs may be the fingerprint alone, which is then confirmed by one step-up for good', () => {
    const opaque = baseline({ devices: [knownDevice({ trustedUntil: LIVE })] });
    const other: Given = { fingerprint: 'fp-2', token: genuine() };
    expect(stateOf(other, opaque)).toBe('unconfirmed');
    const confirmed = trustedAfter(other, opaque);
    expect(confirmed.devices).toMatchObject([{ id: 'd-1', fingerprint: 'fp-2', unstable: ['fingerprint'] }]);
    expect(stateOf({ fingerprint: 'fp-3', token: genuine() }, confirmed)).toBe('trusted');
    expect(stateOf({ token: genuine() }, confirmed)).toBe('unconfirmed');
  });
});

describe('no device at all', () => {
  /**
   * @see https://github.com/QuackbackIO/quackback/pull/525
   * @see https://github.com/wp-slimstat/wp-slimstat/issues/210
   */
  it('No device at all has no identity made of user agent and network', () => {
    const visit = (subject: string, ip: string): Given => ({ subject, ip, userAgent: 'UA1' });
    const known = learnedFrom([observation(visit('u1', '81.2.69.160'))]);
    for (const given of [visit('u1', '81.2.69.160'), visit('u1', '198.51.100.5'), visit('u2', '81.2.69.161')]) {
      const seen = observation(given);
      const asked = { ...history(known), device: null };
      expect(seen.keys.device).toBeNull();
      expect(measure(device, seen, asked, null)).toEqual({
        state: 'measured',
        facts: { 'device.state': 'absent', 'device.trusted': false, 'device.token_missing': false },
      });
    }
    expect(known?.devices).toEqual([]);
  });

  it('No device at all misses the token in a session of a trusted device, whatever else the client leaves out', () => {
    const trusted = baseline({
      devices: [knownDevice({ trustedUntil: LIVE })],
      sessions: [knownSession({ device: 'd-1' })],
    });
    const missing = (given: Given) =>
      measureDevice({ session: 's-1', ...given }, trusted).facts['device.token_missing'];
    expect(missing({})).toBe(true);
    expect(missing({ token: { state: 'invalid', why: 'malformed' } })).toBe(true);
    expect(missing({ fingerprint: 'fp-strange' })).toBe(true);
    expect(missing({ token: genuine() })).toBe(false);
    expect(missing({ session: 's-other' })).toBe(false);
    expect(missing({ nowMs: LIVE * 1000 })).toBe(false);
  });

  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/698 */
  it('No device at all on plain http, where the cookie stays away, makes another value a new device', () => {
    const known = baseline({ devices: [knownDevice({ fingerprint: 's1', trustedUntil: LIVE })] });
    expect(stateOf({ fingerprint: 'i1' }, known)).toBe('new');
    const after = learnedFrom([observation({ fingerprint: 'i1' })], known);
    expect(after?.devices.find(({ fingerprint }) => fingerprint === 'i1')?.trustedUntil).toBeNull();
  });
});

describe('claims of the client', () => {
  it('Claims of the client are facts of their own, known even without store and subject', () => {
    const claim = { confidence: 0.4, bot: true };
    const facts = { 'device.confidence': 0.4, 'device.bot': true };
    const seen = observation({ fingerprint: 'fp-1', claim });
    expect(measure(device, seen, STORE_DOWN, null)).toEqual({ state: 'failed', why: 'timeout', facts });
    const nobody = observation({ subject: null, fingerprint: 'fp-1', claim });
    expect(measure(device, nobody, { ...history(), subject: null }, null)).toMatchObject({
      state: 'unknown',
      why: 'no_subject',
      facts,
    });
    expect(measure(device, observation(), STORE_DOWN, null).facts).toMatchObject({ 'device.state': 'absent' });
  });
});

it('The device signal counts the subject by checks, not by fingerprints', () => {
  expect(measure(velocity, observation({ fingerprint: 'm2' }), history(baseline()), null).facts).toEqual({
    'subject.attempts_1m': 1,
    'subject.failures_10m': 0,
    'subject.ips_1h': 1,
    'subject.countries_24h': 1,
    'subject.dormant_days': 0,
    'subject.age_days': 90,
    'subject.learned': 50,
  });
});

describe('a device that is bound to a key', () => {
  const key = { kind: 'page', thumbprint: 'k'.repeat(43) } as const;
  const other = { kind: 'page', thumbprint: 'o'.repeat(43) } as const;
  const boundAt = NOON - 300;
  const bound = baseline({
    devices: [
      knownDevice({
        trustedUntil: LIVE,
        keys: [{ kind: 'page', hash: keyHash(key.thumbprint), since: boundAt }],
      }),
    ],
  });
  const factsOf = (given: Given, known: Baseline) => measureDevice(given, known).facts;
  const token = genuine({ jkt: key.thumbprint });

  it('It is trusted with a proof of possession of that key', () => {
    expect(factsOf({ fingerprint: 'fp-1', token, provenKeys: [key] }, bound)).toMatchObject({
      'device.state': 'trusted',
      'device.bound': true,
      'device.bound_age_s': 300,
      'device.key_changed': false,
    });
  });

  it('Its token alone leaves it unconfirmed, and says nothing about the key', () => {
    const alone = factsOf({ fingerprint: 'fp-1', token }, bound);
    expect(alone).toMatchObject({ 'device.state': 'unconfirmed', 'device.trusted': false, 'device.bound': true });
    expect(alone['device.key_changed']).toBeUndefined();
  });

  it('A token from before it was bound is worth no more than one that names the key', () => {
    expect(factsOf({ fingerprint: 'fp-1', token: genuine() }, bound)).toMatchObject({ 'device.state': 'unconfirmed' });
  });

  it('A proof by another key is reported and confirms nothing', () => {
    expect(factsOf({ fingerprint: 'fp-1', token, provenKeys: [other] }, bound)).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_changed': true,
    });
  });

  it('A key in the token binds even where the record has none, and no key binds nothing', () => {
    const unbound = baseline({ devices: [knownDevice({ trustedUntil: LIVE })] });
    expect(factsOf({ fingerprint: 'fp-1', token }, unbound)).toMatchObject({ 'device.state': 'unconfirmed' });
    expect(factsOf({ fingerprint: 'fp-1', token, provenKeys: [key] }, unbound)).toMatchObject({
      'device.state': 'trusted',
    });
    expect(factsOf({ fingerprint: 'fp-1', token: genuine(), provenKeys: [key] }, unbound)).toMatchObject({
      'device.state': 'trusted',
      'device.bound': false,
    });
  });
});
