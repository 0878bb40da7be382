import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ALGORITHMS } from '../../../src/step-up/issuer.ts';
import { checkSignature, publicKeys } from '../../../src/step-up/jose.ts';
import { Refusal } from '../../../src/step-up/refusal.ts';

interface Group {
  readonly comment: string;
  readonly public?: Record<string, unknown>;
  readonly private?: Record<string, unknown>;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly jws: unknown;
    readonly result: 'valid' | 'invalid';
  }[];
}

const FOLDER = new URL('../../../../shared/data/wycheproof/', import.meta.url);

/** Refused because of the algorithm: a symmetric one with its secret, or not the one that the key itself declares. */
const ALGORITHM_REFUSED = ['alg_not_allowed', 'key_alg_mismatch', 'symmetric_key'];

async function verdict(jws: string, group: Group): Promise<string> {
  const material = group.public ?? group.private;
  try {
    const keys = publicKeys(material !== undefined && 'keys' in material ? material : { keys: [material] });
    await checkSignature(jws, keys, ALGORITHMS);
    return 'accepted';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    if (error instanceof Error && error.message.includes('has no usable public key')) {
      return group.public === undefined ? 'symmetric_key' : 'weak_key';
    }
    throw error;
  }
}

for (const file of ['json_web_signature_test.json', 'json_web_key_test.json']) {
  const address = new URL(file, FOLDER);
  const groups: readonly Group[] = existsSync(address)
    ? (JSON.parse(readFileSync(address, 'utf8')) as { testGroups: readonly Group[] }).testGroups
    : [];

  /** @see https://github.com/C2SP/wycheproof */
  test(`No invalid signature of ${file} is accepted, and a valid one is refused only for its algorithm`, async () => {
    const counts: Record<string, number> = {};
    const wrong: string[] = [];
    for (const group of groups) {
      for (const { tcId, comment, jws, result } of group.tests) {
        const got = typeof jws === 'string' ? await verdict(jws, group) : 'malformed';
        counts[`${result}: ${got}`] = (counts[`${result}: ${got}`] ?? 0) + 1;
        const right = result === 'invalid' ? got !== 'accepted' : got === 'accepted' || ALGORITHM_REFUSED.includes(got);
        if (!right) wrong.push(`${tcId} ${group.comment}/${comment} ${result}: ${got}`);
      }
    }
    console.info(
      groups.length === 0 ? `${file} is not here: nothing was checked` : `${file}: ${JSON.stringify(counts)}`,
    );
    expect(wrong).toEqual([]);
    // A file that is there but holds no vector would prove nothing.
    if (existsSync(address)) expect(counts['valid: accepted']).toBeGreaterThan(0);
  });
}
