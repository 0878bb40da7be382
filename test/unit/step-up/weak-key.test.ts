import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { publicKeys } from '../../../src/step-up/jose.ts';
import { rsaWeakness } from '../../../src/step-up/weak-key.ts';
import { signingKey } from '../../support/step-up/tokens.ts';

const F4 = new Uint8Array([1, 0, 1]);

function bytes(value: bigint): Uint8Array {
  const hex = value.toString(16);
  return new Uint8Array(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'));
}

function moduli(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    return new Uint8Array(Buffer.from(n, 'base64url'));
  });
}

test('Honest RSA keys have no weakness', () => {
  for (const modulus of moduli(5)) expect(rsaWeakness({ modulus, exponent: F4 })).toBeNull();
});

test.each([[[1]], [[0, 0, 1]], [[2]], [[0]], [[]]])('An exponent of %j proves nothing', (exponent) => {
  const [modulus = F4] = moduli(1);
  expect(rsaWeakness({ modulus, exponent: new Uint8Array(exponent) })).toContain('its exponent is');
});

test('An exponent of 3 is sound', () => {
  const [modulus = F4] = moduli(1);
  expect(rsaWeakness({ modulus, exponent: new Uint8Array([3]) })).toBeNull();
});

/** @see https://crocs.fi.muni.cz/public/papers/rsa_ccs17 */
test('A modulus of the form that a broken generator makes is recognised, and its neighbours are not', () => {
  const primes = Array.from({ length: 166 }, (_, index) => index + 2).filter((n) =>
    Array.from({ length: n - 2 }, (_, divisor) => divisor + 2).every((divisor) => n % divisor !== 0),
  );
  const primorial = primes.reduce((product, prime) => product * BigInt(prime), 1n);
  const factor = (power: bigint, k: bigint) => k * primorial + (65537n ** power % primorial);
  const modulus = factor(1234n, 2n ** 290n + 7n) * factor(567n, 2n ** 291n + 5n);
  expect(rsaWeakness({ modulus: bytes(modulus), exponent: F4 })).toContain('ROCA');
  expect(rsaWeakness({ modulus: bytes(modulus + 2n), exponent: F4 })).toBeNull();
});

test('A weak key in a key set is left out', async () => {
  const good = await signingKey('good', 'RS256');
  const set = publicKeys({ keys: [good.jwk, { ...good.jwk, kid: 'weak', e: 'AQ' }] });
  expect(set.holdsKeyFor({ kid: 'good' })).toBe(true);
  expect(set.holdsKeyFor({ kid: 'weak' })).toBe(false);
});
