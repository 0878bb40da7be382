import fc from 'fast-check';
import { expect, test } from 'vitest';
import { showValue } from '../../../src/rules/reason.ts';

test.each([
  [1000, '1,000'],
  [-1000, '-1,000'],
  [14706.4, '14,706.4'],
  [1234567.891, '1,234,567.89'],
  [999_999.999, '1,000,000'],
  [-1234.5, '-1,234.5'],
  [1e21, '1e+21'],
])('%d is shown as %s', (value, shown) => {
  expect(showValue(value)).toBe(shown);
});

test('Whole numbers are grouped as people in English write them', () => {
  const english = new Intl.NumberFormat('en-US');
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      fc.pre(!Object.is(value, -0));
      expect(showValue(value)).toBe(english.format(value));
    }),
  );
});
