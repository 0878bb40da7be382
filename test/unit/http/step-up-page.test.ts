import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Original, stepUpLocation } from '../../../src/contract/step-up-page.ts';
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
  const url = new URL(location);
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
    expect(Object.fromEntries(new URL(location ?? '').searchParams)).toEqual({
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
    ['two schemes', { proto: 'https, http' }],
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

  test('The address of the step-up page leaves the way back out rather than growing without end', () => {
    expect(returnTo({ target: `/${'a'.repeat(2000)}` })).toBeNull();
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
