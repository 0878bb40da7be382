import fc from 'fast-check';
import { expect, test } from 'vitest';
import { namesOtherMethod, queryNamesOtherMethod } from '../../../src/gateway/method-override.ts';

/** @see https://github.com/praetorian-inc/hadrian/pull/4 */
test.each([
  '/account/7?_method=DELETE',
  '/account/7?_method=delete',
  '/account/7?_METHOD=DELETE',
  '/account/7?a=b&_method=DELETE',
  '/account/7?_method=POST&_method=DELETE',
  '/account/7?a;_method=DELETE',
  '/account/7?%5fmethod=DELETE',
  '/account/7?%5Fm%65thod=%44ELETE',
  '/account/7?%255fmethod=DELETE',
  '/account/7?_method[]=DELETE',
  '/account/7?+_method=DELETE',
  '/account/7?.method=DELETE',
  '/account/7?X-HTTP-Method-Override=DELETE',
  '/account/7?x-http-method=DELETE',
  '/account/7?method=DELETE',
  '/account/7%3f_method=DELETE',
  '/account/7?x?_method=DELETE',
  '/account/7?_method=no%20method',
  '/account/7?_HttpMethod=DELETE',
  '/account/7?__method__=DELETE',
  '/account/7?$method=DELETE',
  '/account/7?methodOverride=DELETE',
  '/account/7?REQUEST_METHOD=DELETE',
  '/account/7?_verb=DELETE',
])('%s asks a POST to pass for something else', (target) => {
  expect(queryNamesOtherMethod(target, 'POST')).toBe(true);
});

test.each([
  '/account/7',
  '/account/7?_method=POST',
  '/account/7?_method=post',
  '/account/7?_method=',
  '/account/7?_method',
  '/account/7?method=card',
  '/account/7?my_method=DELETE',
  '/account/7?request_method=card',
  '/account/7?verb=run',
  '/_method=DELETE',
  '/account/7?next=/x%26_method%3dDELETE',
])('%s does not', (target) => {
  expect(queryNamesOtherMethod(target, 'POST')).toBe(false);
});

test('The query of a gateway that tells no method is in conflict too', () => {
  expect(queryNamesOtherMethod('/x?_method=DELETE', null)).toBe(true);
  expect(namesOtherMethod(() => null, null, null)).toBe(false);
  expect(namesOtherMethod((name) => (name === 'x-http-method-override' ? 'PUT' : null), '/x', 'POST')).toBe(true);
});

test('Any target is read, in bounded work', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 30 }), (text) => {
      expect(queryNamesOtherMethod(`/?${text}&_method=DELETE`, 'POST')).toBe(true);
    }),
  );
});
