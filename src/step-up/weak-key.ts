/** The public parts of an RSA key as big-endian bytes. */
export interface RsaParts {
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

/** Why signatures by this RSA key prove nothing; null when no weakness is known. Does not check the key's length. */
export function rsaWeakness({ modulus, exponent }: RsaParts): string | null {
  const e = toBigInt(exponent);
  // With an exponent of 1 every message is its own signature; no RSA key has an even exponent.
  if (e < 3n || e % 2n === 0n) return `its exponent is ${e}`;
  return isRocaModulus(toBigInt(modulus)) ? 'its private key can be computed from it (ROCA, CVE-2017-15361)' : null;
}

/**
 * Keys made by a widespread chip have primes of the form k·M + 65537^a mod M. Their modulus is a power of 65537 modulo
 * each small prime (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, section 3.2); that of a sound key is so
 * once in 2^27.
 */
function isRocaModulus(modulus: bigint): boolean {
  return ROCA_RESIDUES.every(({ prime, residues }) => residues.has(Number(modulus % BigInt(prime))));
}

const ROCA_RESIDUES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
].map((prime) => ({ prime, residues: powersOf65537(prime) }));

function powersOf65537(prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power);
  return powers;
}

function toBigInt(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = value * 256n + BigInt(byte);
  return value;
}
