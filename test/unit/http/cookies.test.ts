import { describe, expect, test } from 'vitest';
import { cookieSegments, cookieValue, deviceCookie } from '../../../src/contract/cookies.ts';

describe('cookieValue', () => {
  test.each([
    ['a=1; b=2', 'b', '2'],
    ['b=2', 'b', '2'],
    ['b="2"', 'b', '2'],
    ['a=b=2; b=x=y', 'b', 'x=y'],
    ['b=2; b=2', 'b', '2'],
    ['b=2; b=3', 'b', null],
    ['B=2', 'b', null],
    ['xb=2', 'b', null],
    ['b=', 'b', null],
    ['b', 'b', null],
    ['', 'b', null],
    [null, 'b', null],
  ])('cookieValue of %j by the name %s is %j', (header, name, value) => {
    expect(cookieValue(cookieSegments(header), name)).toBe(value);
  });
});

test('deviceCookie lives as long as the trust and no longer', () => {
  expect(deviceCookie('t.t.t', 61_500, 1_000)).toBe(
    '__Host-stepgate-device=t.t.t; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax',
  );
  expect(deviceCookie('t', 0, 1_000)).toContain('Max-Age=0;');
});
