import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientHints } from '../../../src/model/request.ts';
import { client } from '../../../src/signals/client.ts';
import { readHints } from '../../../src/signals/client-hints.ts';
import { familiarValues } from '../../../src/signals/familiarity.ts';
import { scene } from '../../support/scene.ts';
import { history, measure, observation } from '../../support/signals/given.ts';

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36';
const PIXEL =
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36';
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0';

const hints = (parts: Partial<ClientHints> = {}): ClientHints => ({
  brands: '"Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138"',
  platform: '"Windows"',
  mobile: '?0',
  ...parts,
});
const BRAVE = hints({ brands: '"Brave";v="138", "Not;A=Brand";v="99", "Chromium";v="138"' });

describe('client hints', () => {
  it('Name the browser by its brand, past made-up brands that hold separators', () => {
    expect(readHints(hints(), CHROME)).toEqual({ browser: 'chrome', major: '138', contradict: false });
    expect(readHints(BRAVE, CHROME)).toMatchObject({ browser: 'brave', major: '138' });
    expect(readHints(hints({ brands: '"Chromium";v="138"' }), CHROME).browser).toBeNull();
  });

  it.each([
    ['another engine', hints(), FIREFOX],
    ['another version', hints({ brands: '"Chromium";v="131"' }), CHROME],
    ['another system', hints({ platform: '"Linux"' }), CHROME],
    ['a telephone instead of a desktop', hints({ mobile: '?1' }), CHROME],
    ['a desktop instead of a telephone', hints({ platform: '"Android"' }), PIXEL],
  ])('Contradict a user agent by %s', (_what, sent, userAgent) => {
    expect(readHints(sent, userAgent).contradict).toBe(true);
  });

  it.each([
    ['an unknown platform', hints({ brands: null, platform: '"Fuchsia"', mobile: null })],
    ['text that cannot be read', { brands: 'Chromium 138', platform: 'Linux', mobile: null }],
  ])('Say nothing by %s', (_what, sent) => {
    expect(readHints(sent, CHROME)).toEqual({ browser: null, major: null, contradict: null });
  });

  it('Agree with the user agent of a telephone', () => {
    expect(readHints(hints({ platform: '"Android"', mobile: '?1' }), PIXEL).contradict).toBe(false);
  });

  it('Are read from any text', () => {
    const text = fc.option(fc.string({ unit: 'binary', maxLength: 600 }));
    fc.assert(
      fc.property(fc.record({ brands: text, platform: text, mobile: text }), text, (sent, userAgent) => {
        readHints(sent, userAgent);
      }),
    );
  });

  it('Are a fact, unknown where none were sent', () => {
    const fact = (sent?: ClientHints) =>
      measure(client, observation({ userAgent: CHROME, ...(sent && { hints: sent }) }), history()).facts[
        'client.hints_contradict'
      ];
    expect(fact()).toBeUndefined();
    expect(fact(hints())).toBe(false);
    expect(fact(hints({ platform: '"macOS"' }))).toBe(true);
  });

  it('Tell apart the kinds of client that have one user agent, and agree where the brand says what the user agent says', () => {
    const kind = (sent?: ClientHints) =>
      familiarValues(observation({ userAgent: CHROME, ...(sent && { hints: sent }) }));
    expect(kind(hints())).toEqual(kind());
    expect(kind(BRAVE).client).not.toBe(kind().client);
    expect(kind(BRAVE).browser).not.toBe(kind().browser);
    expect(kind(BRAVE).os).toBe(kind().os);
  });

  it('Come with a body of the API as `client_hints`, and are named among what a record leaves out', async () => {
    const it = scene();
    const body = { subject: 'ann', action: 'login', user_agent: CHROME };
    await it.post('/v1/risk-check', { ...body, client_hints: { platform: '"macOS"', mobile: '' } });
    await it.post('/v1/risk-check', { ...body, client_hints: null });
    await it.settled();
    expect(it.records.map(({ facts }) => facts['client.hints_contradict'])).toEqual([true, undefined]);
    expect(it.records.map(({ erased }) => erased.includes('client_hints'))).toEqual([true, false]);
    const refused = await it.post('/v1/risk-check', { ...body, client_hints: { model: 'Pixel 9' } });
    expect(refused.status).toBe(400);
  });
});
