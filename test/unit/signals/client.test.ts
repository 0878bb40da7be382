import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { client, clientTraits } from '../../../src/signals/client.ts';
import { FACT_CATALOG } from '../../../src/signals/index.ts';
import {
  baseline,
  type Given,
  history,
  knownDevice,
  knownSession,
  measure,
  observation,
} from '../../support/signals/given.ts';

describe('the client', () => {
  const CHROME =
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0 Safari/537.36';
  const SAFARI =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1';

  it('The client is the family of browser and system, with the major version and class of device', () => {
    expect(clientTraits(CHROME)).toEqual({
      browser: 'chrome',
      os: 'windows',
      major: '133',
      form: 'desktop',
      bot: false,
    });
    expect(clientTraits(SAFARI)).toEqual({ browser: 'safari', os: 'ios', major: '17', form: 'mobile', bot: false });
    expect(clientTraits('curl/8.5.0')).toMatchObject({ bot: true });
    expect(clientTraits('  ')).toEqual({ browser: null, os: null, major: null, form: null, bot: false });
  });

  it('The client names only families that a rule may test', () => {
    const browsers = FACT_CATALOG['client.browser']?.values ?? [];
    const systems = FACT_CATALOG['client.os']?.values ?? [];
    expect(browsers).toContain(clientTraits(CHROME).browser);
    expect(systems).toContain(clientTraits(SAFARI).os);
  });

  it('The client changes with the family, not with the version', () => {
    const known = baseline({ devices: [knownDevice({ client: 'chrome/windows' })] });
    const changed = (userAgent: string) =>
      measure(client, observation({ fingerprint: 'fp-1', userAgent }), history(known), null).facts['client.changed'];
    expect(changed(CHROME)).toBe(false);
    expect(changed(CHROME.replace('133.0', '134.0'))).toBe(false);
    expect(changed(SAFARI)).toBe(true);
  });

  it('The client is compared with that of the session when no device is recognised, and with nothing when there is neither', () => {
    const known = baseline({
      devices: [knownDevice({ client: 'chrome/windows' })],
      sessions: [knownSession({ device: 'd-1' })],
    });
    const changed = (given: Given) =>
      measure(client, observation({ userAgent: SAFARI, ...given }), history(known), null).facts['client.changed'];
    expect(changed({ session: 's-1' })).toBe(true);
    expect(changed({})).toBeUndefined();
  });

  it('The client is unknown without a user agent', () => {
    expect(measure(client, observation(), history(), null)).toMatchObject({ state: 'unknown', why: 'no_user_agent' });
  });

  it('The client survives any text, and reads only the first 512 characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => void clientTraits(text)));
    const padded = 'x'.repeat(512);
    expect(clientTraits(`${padded}Googlebot`)).toEqual(clientTraits(padded));
  });
});
