import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familiarity, familiarValues } from '../../../src/signals/familiarity.ts';
import {
  baseline,
  DAY,
  type Given,
  history,
  learnedFrom,
  measure,
  NOON,
  observation,
  STORE_DOWN,
} from '../../support/signals/given.ts';

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1';

const HOME: Given = { ip: '81.2.69.160', asn: 20712, place: { country: 'GB' }, userAgent: CHROME };
const AWAY: Given = { ip: '201.27.183.128', asn: 27699, place: { country: 'BR' }, userAgent: IPHONE };

/** The history after log-ins on this many days, the last of them yesterday. */
const learnedOn = (days: number, given: Given = HOME) =>
  history(learnedFrom(Array.from({ length: days }, (_, i) => observation({ ...given, at: NOON - (days - i) * DAY }))));
const factsOf = (given: Given, known = learnedOn(41)) => measure(familiarity, observation(given), known).facts;

describe('familiarity', () => {
  it('Knows the usual network and client, by days that a reason can name', () => {
    const facts = factsOf(HOME);
    expect(facts['familiarity.bits']).toBeLessThan(0.1);
    expect(facts).toMatchObject({
      'familiarity.stranger': false,
      'familiarity.days': 36,
      'familiarity.network_days': 36,
      'familiarity.asn_days': 36,
      'familiarity.country_days': 36,
      'familiarity.client_days': 36,
      'familiarity.browser_days': 36,
      'familiarity.os_days': 36,
    });
  });

  it('Sees a stranger where neither network nor kind of client was ever seen', () => {
    expect(factsOf(AWAY)).toMatchObject({
      'familiarity.bits': 16.61,
      'familiarity.network_bits': 8.3,
      'familiarity.client_bits': 8.3,
      'familiarity.stranger': true,
      'familiarity.days': 36,
      'familiarity.network_days': 0,
      'familiarity.os_days': 0,
    });
    expect(factsOf({ ...AWAY, userAgent: CHROME })['familiarity.stranger']).toBe(false);
    expect(factsOf({ ...HOME, userAgent: IPHONE })['familiarity.stranger']).toBe(false);
  });

  it('A thief in the same country and provider with the same browser is less unusual than one from abroad', () => {
    const near = factsOf({ ...HOME, ip: '82.9.1.7' });
    const abroad = factsOf({ ...AWAY, userAgent: CHROME });
    expect(near['familiarity.network_bits']).toBeGreaterThan(1);
    expect(abroad['familiarity.network_bits']).toBeGreaterThan(Number(near['familiarity.network_bits']) + 3);
  });

  it('A browser that was updated is the same kind of client', () => {
    const updated = factsOf({ ...HOME, userAgent: CHROME.replace('138', '139') });
    expect(updated).toMatchObject({ 'familiarity.stranger': false, 'familiarity.browser_days': 0 });
    expect(updated['familiarity.client_bits']).toBeLessThan(1.5);
  });

  it('Is unknown before four learned days, but counts them', () => {
    const measurement = measure(familiarity, observation(HOME), learnedOn(3));
    expect(measurement).toMatchObject({ state: 'unknown', why: 'few_days', facts: { 'familiarity.days': 3 } });
    expect(measurement.facts['familiarity.bits']).toBeUndefined();
    expect(factsOf(HOME, learnedOn(4))['familiarity.bits']).toBeDefined();
  });

  it('Knows the client alone behind a placeless address, which teaches nothing of the network', () => {
    const vpn: Given = { ...AWAY, userAgent: CHROME, categories: ['vpn'] };
    const measurement = measure(familiarity, observation(vpn), learnedOn(41));
    expect(measurement).toMatchObject({ state: 'measured', why: 'placeless' });
    expect(measurement.facts['familiarity.bits']).toBeUndefined();
    expect(measurement.facts['familiarity.network_bits']).toBeUndefined();
    expect(measurement.facts['familiarity.client_bits']).toBeLessThan(0.1);
    expect(measure(familiarity, observation(HOME), learnedOn(10, vpn))).toMatchObject({ why: 'few_network_days' });
  });

  it('Takes a missing user agent for a client that was never seen, unless none was ever shown', () => {
    expect(factsOf({ ...AWAY, userAgent: null })).toMatchObject({ 'familiarity.stranger': true });
    const silent = learnedOn(10, { ...HOME, userAgent: null });
    expect(factsOf({ ...HOME, userAgent: null }, silent)['familiarity.client_bits']).toBeUndefined();
    expect(factsOf({ ...HOME, userAgent: null }, silent)['familiarity.network_bits']).toBeLessThan(0.2);
  });

  it('Leaves the provider out where there is no table of providers', () => {
    const { asn: _asn, ...unlisted } = HOME;
    const facts = factsOf(unlisted, learnedOn(10, unlisted));
    expect(facts['familiarity.asn_days']).toBeUndefined();
    expect(facts['familiarity.network_bits']).toBeLessThan(0.2);
  });

  it('Is unknown without a subject or baseline, of an old baseline until days are learned, and failed without the store', () => {
    expect(measure(familiarity, observation({ ...HOME, subject: null }), learnedOn(9))).toMatchObject({
      why: 'no_subject',
    });
    expect(measure(familiarity, observation(HOME), history())).toMatchObject({ why: 'no_baseline' });
    expect(measure(familiarity, observation(HOME), history(baseline()))).toMatchObject({
      state: 'unknown',
      why: 'few_days',
    });
    expect(measure(familiarity, observation(HOME), STORE_DOWN)).toMatchObject({ state: 'failed', why: 'timeout' });
  });
});

describe('the codes of clients', () => {
  const codesOf = (userAgent: string) => familiarValues(observation({ ...HOME, userAgent }));

  it('Differ for all systems', () => {
    const systems = [
      'Windows NT 10.0; Win64; x64',
      'Macintosh; Intel Mac OS X 10_15_7',
      'X11; Linux x86_64',
      'X11; CrOS x86_64 14541.0.0',
      'Linux; Android 10; K',
      'iPhone; CPU iPhone OS 18_4 like Mac OS X',
    ];
    const codes = systems.map(
      (system) => codesOf(`Mozilla/5.0 (${system}) AppleWebKit/537.36 Chrome/138 Safari/537.36`).os,
    );
    expect(new Set(codes).size).toBe(systems.length);
  });

  it('Are as long as the store keeps them, whatever a client says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const { client, browser, os } = codesOf(text);
        expect([client, browser, os].map((code) => code?.length)).toEqual([2, 2, 2]);
      }),
    );
  });
});
