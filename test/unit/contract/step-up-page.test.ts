import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_LOCATION_LENGTH, type Original, stepUpLocation } from '../../../src/contract/step-up-page.ts';
import type { Requirement } from '../../../src/model/decision.ts';

const REQUIREMENT: Requirement = {
  acrValues: ['urn:example:loa:2', 'urn:example:loa:3'],
  amrValues: [],
  maxAgeSeconds: 300,
  singleUse: false,
  unsatisfiable: false,
};
const GATEWAY = { stepUpUrl: 'https://id.example/step-up', returnHosts: ['app.example', 'shop.example:8443'] };

function returnTo(original: Partial<Original>, gateway = GATEWAY): string | null {
  const location = stepUpLocation(gateway, REQUIREMENT, {
    proto: 'https',
    host: 'app.example',
    target: '/',
    ...original,
  });
  if (location === null) throw new Error('no location');
  const url = new URL(location.href);
  expect(url.origin + url.pathname).toBe(gateway.stepUpUrl);
  return url.searchParams.get('return_to');
}

describe('the address of the step-up page', () => {
  test('The address of the step-up page carries what is asked for and where to go back to', () => {
    const location = stepUpLocation(GATEWAY, REQUIREMENT, {
      proto: 'https',
      host: 'shop.example:8443',
      target: '/pay?to=1&amount=900&user=a#x',
    });
    expect(Object.fromEntries(new URL(location?.href ?? '').searchParams)).toEqual({
      acr_values: 'urn:example:loa:2 urn:example:loa:3',
      max_age: '300',
      return_to: 'https://shop.example:8443/pay?to=1&amount=900&user=a#x',
    });
  });

  test('The address of the step-up page is absent without a page, and on the way to the page itself', () => {
    const original = { proto: 'https', host: 'id.example', target: '/step-up?x' };
    expect(stepUpLocation({ ...GATEWAY, stepUpUrl: null }, REQUIREMENT, original)).toBeNull();
    expect(stepUpLocation({ ...GATEWAY, returnHosts: [] }, REQUIREMENT, original)).toBeNull();
  });

  test('The address of the step-up page leads back to the host of the page where no other host is listed', () => {
    const gateway = { ...GATEWAY, returnHosts: [] };
    expect(returnTo({ host: 'id.example', target: '/a' }, gateway)).toBe('https://id.example/a');
    expect(returnTo({ host: 'app.example', target: '/a' }, gateway)).toBeNull();
  });

  test.each<[string, Partial<Original>]>([
    ['another host', { host: 'evil.example' }],
    ['a host that ends alike', { host: 'evilapp.example' }],
    ['a listed host as user name', { host: 'app.example@evil.example' }],
    ['a listed host before a slash', { host: 'app.example/@evil.example' }],
    ['another port', { host: 'app.example:444' }],
    ['two hosts', { host: 'app.example, evil.example' }],
    ['no host', { host: null }],
    ['no scheme', { proto: null }],
    ['a scheme of neither kind before one of them', { proto: 'ftp, https' }],
    ['a script', { proto: 'javascript', target: '/%0aalert(1)' }],
    ['data', { proto: 'data' }],
    ['a target that is a URL', { target: 'https://evil.example/' }],
    ['a target without a slash', { target: '@evil.example/' }],
    ['a target that continues the host', { target: '.evil.example/' }],
  ])('The address of the step-up page has no way back to %s', (_, original) => {
    expect(returnTo(original)).toBeNull();
  });

  test.each([
    ['//evil.example/x', 'https://app.example//evil.example/x'],
    ['/\\evil.example/x', 'https://app.example//evil.example/x'],
    ['/\\\\evil.example', 'https://app.example///evil.example'],
    ['/%2f%2fevil.example', 'https://app.example/%2f%2fevil.example'],
    ['/@evil.example', 'https://app.example/@evil.example'],
    ['/a\tb', 'https://app.example/ab'],
  ])('The target %j stays on its own host', (target, back) => {
    expect(returnTo({ target })).toBe(back);
  });

  /** @see https://github.com/deis/deis/issues/4997 */
  test.each(['https', 'HTTPS', 'https,http', 'https, http', ' https'])(
    'The scheme %j is that of the browser, which the first proxy names',
    (proto) => {
      expect(returnTo({ proto, target: '/admin/x' })).toBe('https://app.example/admin/x');
    },
  );

  test.each([
    ['app.example:443', 'https', 'https://app.example/'],
    ['app.example:80', 'http', 'http://app.example/'],
    ['app.example.', 'https', 'https://app.example/'],
    ['app.example.:443', 'https', 'https://app.example/'],
    ['APP.example', 'https', 'https://app.example/'],
  ])('The host %j over %s is the one that pages link to', (host, proto, back) => {
    expect(returnTo({ host, proto })).toBe(back);
  });

  /** @see https://github.com/oauth2-proxy/oauth2-proxy/issues/1673 */
  test.each([
    ['tenant7.app.example', 'https://tenant7.app.example/x'],
    ['a.b.app.example', 'https://a.b.app.example/x'],
    ['app.example', null],
    ['evilapp.example', null],
    ['app.example.evil.test', null],
  ])('*.app.example names whole labels only: %s', (host, back) => {
    expect(returnTo({ host, target: '/x' }, { ...GATEWAY, returnHosts: ['*.app.example'] })).toBe(back);
  });

  /** @see https://github.com/NangoHQ/nango/pull/7520 */
  test('A long query comes back whole, one that no gateway carries is left out, and both are told', () => {
    const original = { proto: 'https', host: 'app.example' };
    const at = (length: number) =>
      stepUpLocation(GATEWAY, REQUIREMENT, { ...original, target: `/search?q=${'a'.repeat(length)}` });
    expect(new URL(at(1500)?.href ?? '').searchParams.get('return_to')).toContain('a'.repeat(1500));
    expect(at(1500)?.flaw).toBeNull();
    expect(new URL(at(4000)?.href ?? '').searchParams.get('return_to')).toBe('https://app.example/search');
    expect(at(4000)?.flaw).toBe('query_too_long');
    expect(at(4000)?.href.length).toBeLessThanOrEqual(MAX_LOCATION_LENGTH);
  });

  test('A path that no gateway carries is left out, and that is told', () => {
    const location = stepUpLocation(GATEWAY, REQUIREMENT, {
      proto: 'https',
      host: 'app.example',
      target: `/${'a'.repeat(4000)}?x`,
    });
    expect(location?.flaw).toBe('too_long');
    expect(new URL(location?.href ?? '').searchParams.has('return_to')).toBe(false);
  });

  test('A page on the own host of the application is named by its path', () => {
    const gateway = { stepUpUrl: '/.stepgate/step-up', returnHosts: [] };
    const original = { proto: 'https', host: 'shop.example', target: '/admin' };
    expect(stepUpLocation(gateway, REQUIREMENT, original, { more: { posted: '1' } })).toEqual({
      href:
        'https://shop.example/.stepgate/step-up?acr_values=urn%3Aexample%3Aloa%3A2+urn%3Aexample%3Aloa%3A3' +
        '&max_age=300&posted=1&return_to=https%3A%2F%2Fshop.example%2Fadmin',
      flaw: null,
    });
    expect(stepUpLocation(gateway, REQUIREMENT, { ...original, host: null })).toBeNull();
  });

  test('The address of the step-up page never leads back to a host that is not listed, whatever is told', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('https', 'http', 'app.example', '//evil.example', '/\\evil.example'),
    );
    fc.assert(
      fc.property(text, text, text, (proto, host, target) => {
        const back = returnTo({ proto, host, target });
        if (back !== null) expect(GATEWAY.returnHosts).toContain(new URL(back).host);
      }),
    );
  });
});
