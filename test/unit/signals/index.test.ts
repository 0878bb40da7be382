import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lessonOf } from '../../../src/engine/lesson.ts';
import { BASELINE_CAPS } from '../../../src/model/baseline.ts';
import { FACT_CATALOG, SIGNALS } from '../../../src/signals/index.ts';
import {
  baseline,
  DAY,
  type Given,
  genuine,
  history,
  knownDevice,
  knownPlace,
  knownSession,
  learnedFrom,
  measureEach,
  NOON,
  observation,
  STORE_DOWN,
} from '../../support/signals/given.ts';

describe('all signals together', () => {
  it('Stand in the answer under their names, their facts under full names beside those of the request', () => {
    const { signals, facts } = measureEach(observation({ at: Date.UTC(2026, 10, 29, 23, 59, 59) / 1000 }), history());
    expect(Object.keys(signals)).toEqual([
      'device',
      'ip',
      'geo',
      'travel',
      'velocity',
      'client',
      'familiarity',
      'session',
      'step_up',
    ]);
    expect(facts).toMatchObject({ action: 'login', 'subject.id': 'u1', 'request.hour': 23, 'request.weekday': 7 });
    expect(facts['resource.id']).toBeUndefined();
  });

  it.each([
    ['2026-11-23T00:00:00Z', 0, 1],
    ['2025-03-10T12:00:00Z', 12, 1],
    ['2024-02-29T05:30:00Z', 5, 4],
  ])('All signals together take hour and weekday of %s in UTC', (text, hour, weekday) => {
    const { facts } = measureEach(observation({ at: Date.parse(text) / 1000 }), history());
    expect([facts['request.hour'], facts['request.weekday']]).toEqual([hour, weekday]);
  });

  it('All signals together declare each fact once', () => {
    const names = SIGNALS.flatMap(({ facts }) => Object.keys(facts));
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(FACT_CATALOG).length).toBe(names.length + 8);
    for (const { type, unit, meaning } of Object.values(FACT_CATALOG)) {
      expect(meaning).not.toBe('');
      expect(unit !== undefined).toBe(type === 'number');
    }
  });

  const text = fc.option(fc.string({ maxLength: 20 }));
  const degrees = (limit: number) => fc.option(fc.double({ min: -limit, max: limit, noNaN: true }));
  const givens = fc.record(
    {
      at: fc.integer({ min: NOON - 400 * DAY, max: NOON + DAY }),
      nowMs: fc.integer({ min: (NOON - DAY) * 1000, max: (NOON + DAY) * 1000 }),
      subject: fc.constantFrom('u1', 'u2', null),
      ip: fc.constantFrom('81.2.69.160', '10.1.2.3', '2a00:23c4::1', '::1', '2001:0:4136:e378::1', null),
      place: fc.option(
        fc.record({
          lat: degrees(90),
          lon: degrees(180),
          accuracyKm: fc.double({ min: 0, max: 20_000, noNaN: true }),
          country: fc.constantFrom('NL', 'BR', null),
          city: text,
        }),
      ),
      categories: fc.subarray(['tor', 'vpn', 'attack', 'allow'] as const),
      asn: fc.constantFrom(14593, 64500),
      lists: fc.constantFrom('built', 'none'),
      session: fc.constantFrom('s-1', 's-2'),
      userAgent: text,
      fingerprint: fc.constantFrom('fp-1', 'fp-2', null),
      components: fc.dictionary(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 })),
      token: fc.constantFrom(genuine(), genuine({ subject: 'u2' }), genuine({ device: '__proto__' }), {
        state: 'invalid',
        why: 'expired',
      } as const),
    },
    { requiredKeys: [] },
  );
  const histories = fc.record({
    subject: fc.constantFrom(
      history(null).subject,
      STORE_DOWN.subject,
      null,
      history(
        baseline({
          places: [knownPlace({ lat: 52.4, lon: 4.9 })],
          countries: [{ code: 'NL', lastSeen: NOON }],
          devices: [knownDevice({ trustedUntil: NOON, components: { a: 'b' } })],
          sessions: [knownSession({ device: 'd-1', country: 'NL' })],
        }),
      ).subject,
    ),
    address: fc.constantFrom(history().address, STORE_DOWN.address, null),
    device: fc.constantFrom(history().device, STORE_DOWN.device, null),
  });

  it('All signals together never throw, and measure only facts that they declare, of the declared type', () => {
    fc.assert(
      fc.property(givens, histories, (given, slots) => {
        const { facts, signals } = measureEach(observation(given as Given), slots);
        for (const [name, value] of Object.entries(facts)) {
          const spec = FACT_CATALOG[name];
          expect(spec, name).toBeDefined();
          if (value === undefined) continue;
          expect(Array.isArray(value) ? 'list' : typeof value).toBe(spec?.type);
          if (typeof value === 'number') expect(Number.isFinite(value), name).toBe(true);
          if (spec?.values !== undefined && !Array.isArray(value)) expect(spec.values).toContain(value);
        }
        for (const { state, why } of Object.values(signals)) expect(why === undefined).toBe(state === 'measured');
      }),
      { numRuns: 1000 },
    );
  });

  it('All signals together teach a baseline that stays within its caps', () => {
    fc.assert(
      fc.property(fc.array(givens, { maxLength: 30 }), (all) => {
        const known = learnedFrom(all.map((given) => observation(given as Given)));
        expect(known?.devices.length ?? 0).toBeLessThanOrEqual(BASELINE_CAPS.devices);
        for (const { accuracyKm } of known?.places ?? []) expect(accuracyKm).toBeLessThan(200);
      }),
    );
  });

  it('All signals together teach nothing of a device that the request does not name', () => {
    expect(lessonOf(observation(), null).device).toBeNull();
  });
});
