import { expect, test } from 'vitest';
import { judgeProof } from '../../src/step-up/requirement.ts';
import { spend } from '../../src/step-up/spend.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { NOW_MS, proofOf, sign, signingKey, verifierOf } from './tokens.ts';

const SINGLE = { acrValues: [], amrValues: [], maxAgeSeconds: 600, singleUse: true, unsatisfiable: false };
const key = await signingKey();

function spending(maxKeys = 100) {
  return {
    store: memoryStore({ now: () => NOW_MS, maxKeys }),
    pseudonym: (kind: string, id: string) => `${kind}:${id}`,
  };
}

/** @see https://github.com/thunder-id/thunderid/pull/5392 */
test.each([
  ['its jti', { jti: 'j-1' }],
  ['the hash of its signed part', {}],
])('a single-use proof is good once, known by %s', async (_by, claims) => {
  const verifier = verifierOf([key.jwk]);
  const place = spending();
  const token = await sign(key, claims);
  for (const expected of [null, 'replayed', 'replayed']) {
    const proof = await proofOf(verifier, token);
    expect(
      judgeProof(proof, SINGLE, {
        subject: 'u1',
        subjectSpace: 'default',
        subjectType: 'user',
        session: null,
        nowMs: NOW_MS,
      }).satisfied,
    ).toBe(true);
    expect((await spend(place, proof, NOW_MS))?.code ?? null).toBe(expected);
  }
});

/** @see https://github.com/thunder-id/thunderid/pull/5392 */
test('the mark outlives the proof, so that it cannot be spent again at its last moment', async () => {
  const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { jti: 'j-1' }));
  const asked: number[] = [];
  const { store, pseudonym } = spending();
  const watched = {
    ...store,
    spendProof: (id: string, ttlSeconds: number) => {
      asked.push(ttlSeconds);
      return store.spendProof(id, ttlSeconds);
    },
  };
  await spend({ store: watched, pseudonym }, proof, NOW_MS);
  expect(NOW_MS / 1000 + (asked[0] ?? 0)).toBeGreaterThanOrEqual(proof.expiresAt + proof.toleranceSeconds);
  expect(asked).toEqual([295]);
});

test('one id under two issuers is two proofs', async () => {
  const place = spending();
  const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { jti: '1' }));
  expect(await spend(place, proof, NOW_MS)).toBeNull();
  expect(await spend(place, { ...proof, issuer: 'https://other.example' }, NOW_MS)).toBeNull();
});

test('a spending that the store cannot record is no spending', async () => {
  const place = spending(1);
  const verifier = verifierOf([key.jwk]);
  await spend(place, await proofOf(verifier, await sign(key, { jti: 'j-1' })), NOW_MS);
  const refused = await spend(place, await proofOf(verifier, await sign(key, { jti: 'j-2' })), NOW_MS);
  expect(refused).toMatchObject({ code: 'spend_unrecorded', suspicious: false });
});
