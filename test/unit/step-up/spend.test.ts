import { expect, test } from 'vitest';
import { judgeProof } from '../../../src/step-up/requirement.ts';
import { type SpentTogether, spend, wasSentTwice } from '../../../src/step-up/spend.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { NOW, NOW_MS, proofOf, sign, signingKey, verifierOf } from '../../support/step-up/tokens.ts';

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
])('A single-use proof is good once, known by %s', async (_by, claims) => {
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
test.each([
  ['any proof of its log-in', { jti: 'j-1' }, 595],
  ['the proof, where no log-in is told', { jti: 'j-1', auth_time: undefined }, 295],
])('The mark outlives %s, so that it cannot be spent again at its last moment', async (_what, claims, seconds) => {
  const proof = await proofOf(verifierOf([key.jwk]), await sign(key, claims));
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
  expect(new Set(asked)).toEqual(new Set([seconds]));
});

test('One id under two issuers is two proofs', async () => {
  const place = spending();
  const proof = await proofOf(verifierOf([key.jwk]), await sign(key, { jti: '1' }));
  expect(await spend(place, proof, NOW_MS)).toBeNull();
  expect(await spend(place, { ...proof, issuer: 'https://other.example' }, NOW_MS)).toBeNull();
});

test('A spending that the store cannot record is no spending', async () => {
  const place = spending(4);
  const verifier = verifierOf([key.jwk]);
  await spend(place, await proofOf(verifier, await sign(key, { auth_time: NOW - 20 })), NOW_MS);
  const refused = await spend(place, await proofOf(verifier, await sign(key, { auth_time: NOW - 10 })), NOW_MS);
  expect(refused).toMatchObject({ code: 'spend_unrecorded', suspicious: false });
});

test('A token of a provider that tells no log-in is spent alone: the next one counts, whoever was asked', async () => {
  const [place, verifier] = [spending(), verifierOf([key.jwk])];
  const silent = async (jti: string) => proofOf(verifier, await sign(key, { jti, auth_time: undefined }));
  expect(await spend(place, await silent('j-1'), NOW_MS)).toBeNull();
  expect(await spend(place, await silent('j-2'), NOW_MS)).toBeNull();
  expect(await spend(place, await silent('j-1'), NOW_MS)).toMatchObject({ code: 'replayed' });
});

test('Two log-ins in one second are two where their sessions differ', async () => {
  const [place, verifier] = [spending(), verifierOf([key.jwk])];
  const of = async (claims: object) => proofOf(verifier, await sign(key, { ...claims }));
  expect(await spend(place, await of({ sid: 'a', jti: '1' }), NOW_MS)).toBeNull();
  expect(await spend(place, await of({ sid: 'b', jti: '2' }), NOW_MS)).toBeNull();
  expect(await spend(place, await of({ sid: 'a', jti: '3' }), NOW_MS)).toMatchObject({ code: 'replayed' });
});

test.each([
  ['with its session and then without', [{ sid: 'a' }, {}]],
  ['without its session and then with it', [{}, { sid: 'a' }]],
  ['without its session twice', [{}, {}]],
])('One log-in shown by two tokens, %s, is spent once', async (_case, claims) => {
  const [place, verifier] = [spending(), verifierOf([key.jwk])];
  const outcomes: (string | null)[] = [];
  for (const [i, more] of claims.entries()) {
    const proof = await proofOf(verifier, await sign(key, { jti: `j-${i}`, ...more }));
    outcomes.push((await spend(place, proof, NOW_MS))?.code ?? null);
  }
  expect(outcomes).toEqual([null, 'replayed']);
});

test('Of two tokens of one log-in that are spent at the same moment, at most one counts', async () => {
  const verifier = verifierOf([key.jwk]);
  for (const sid of ['a', 'b', 'c', 'd', 'S-1']) {
    const place = spending();
    const proofs = [
      await proofOf(verifier, await sign(key, { jti: '1', sid })),
      await proofOf(verifier, await sign(key, { jti: '2' })),
    ];
    const spent = await Promise.all(proofs.map((proof) => spend(place, proof, NOW_MS)));
    expect(spent.filter((error) => error === null).length).toBeLessThanOrEqual(1);
  }
});

test('A replay within a minute of the first use was sent twice, by whichever token of the log-in', async () => {
  const [place, verifier] = [spending(), verifierOf([key.jwk])];
  const withSession = await proofOf(verifier, await sign(key, { jti: '1', sid: 'a' }));
  const without = await proofOf(verifier, await sign(key, { jti: '2' }));
  expect(await wasSentTwice(place, without, NOW_MS)).toBe(false);
  await spend(place, withSession, NOW_MS);
  await spend(place, without, NOW_MS + 90_000);
  expect(await wasSentTwice(place, withSession, NOW_MS + 59_000)).toBe(true);
  expect(await wasSentTwice(place, without, NOW_MS + 90_000)).toBe(false);
});

test('What one request spends is spent once, and its parts share how that went', async () => {
  const [place, verifier] = [spending(), verifierOf([key.jwk])];
  const proof = await proofOf(verifier, await sign(key));
  const together: SpentTogether = new Map();
  const ask = (shared: SpentTogether) => spend(place, proof, NOW_MS, 0, shared);
  expect(await Promise.all([ask(together), ask(together), ask(together)])).toEqual([null, null, null]);
  const later: SpentTogether = new Map();
  expect((await Promise.all([ask(later), ask(later)])).map((error) => error?.code)).toEqual(['replayed', 'replayed']);
});
