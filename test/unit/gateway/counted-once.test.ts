import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import type { ProofVerifier } from '../../../src/model/proof.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import type { Store } from '../../../src/store/store.ts';
import { gatewayScene } from '../../support/gateway-scene.ts';
import { NOW_MS } from '../../support/scene.ts';

/** A rig that counts what its store and its verifier are asked. */
async function counting() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] };
  const issuer = { issuer: 'https://issuer.test', audience: 'app', jwks, algorithms: ['ES256'] };
  const jose = joseVerifier({ issuers: stepUpIssuers.parse([issuer]), fetch: globalThis.fetch });
  const seen = { verified: [] as string[], waits: [] as string[] };
  const verifier: ProofVerifier = {
    ...jose,
    verify: (token, nowMs) => {
      seen.verified.push(token);
      return jose.verify(token, nowMs);
    },
  };
  const memory = memoryStore({ now: () => NOW_MS });
  const store: Store = {
    ...memory,
    recordAttempt: (attempt) => {
      seen.waits.push('recordAttempt');
      return memory.recordAttempt(attempt);
    },
    readSubject: (...asked) => {
      seen.waits.push('readSubject');
      return memory.readSubject(...asked);
    },
  };
  const rig = await gatewayScene({ verifier, store });
  const token = (claims: object): Promise<string> => {
    const at = NOW_MS / 1000 - 10;
    return new SignJWT({ sub: 'ann', auth_time: at, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer('https://issuer.test')
      .setAudience('app')
      .setIssuedAt(at)
      .setExpirationTime(at + 3600)
      .sign(privateKey);
  };
  return { rig, seen, token };
}

test('A gateway call of two tokens, three path readings and two actions is one attempt, one wait and one verification of each token', async () => {
  const { rig, seen, token } = await counting();
  const session = await token({});
  const proof = await token({ su: true });
  const headers = { Authorization: `Bearer ${session}`, Cookie: `__Host-stepgate-su=${proof}` };
  const answer = await rig.forward('POST', '/public/..%2fadmin%2f..%2fapi/pay', headers);
  expect(answer.status).toBe(200);
  expect(seen.verified.toSorted()).toEqual([session, proof].toSorted());
  expect(seen.waits).toEqual(['recordAttempt']);
  await rig.close();
});

test('A batch of fifty questions about one subject is one attempt, one wait and one verification', async () => {
  const { rig, seen, token } = await counting();
  const proof = await token({ su: true });
  const reply = await rig.post('/access/v1/evaluations', {
    subject: { type: 'user', id: 'ann' },
    context: { ip: '81.2.69.160', step_up_token: proof },
    evaluations: Array.from({ length: 50 }, (_, i) => ({
      action: { name: i % 2 === 0 ? 'pay' : 'page' },
      resource: { type: 'button', id: String(i) },
    })),
  });
  const { evaluations } = (await reply.json()) as { evaluations: readonly { decision: boolean }[] };
  expect(evaluations.map(({ decision }) => decision)).toEqual(Array.from({ length: 50 }, () => true));
  expect(seen.verified).toEqual([proof]);
  expect(seen.waits).toEqual(['recordAttempt']);
  await rig.close();
});

test('A batch about several subjects is one attempt for each of them, and one verification of the token that they share', async () => {
  const { rig, seen, token } = await counting();
  const proof = await token({ su: true });
  await rig.post('/access/v1/evaluations', {
    context: { ip: '81.2.69.160', step_up_token: proof },
    evaluations: Array.from({ length: 50 }, (_, i) => ({
      subject: { type: 'user', id: ['ann', 'ben', 'cas'][i % 3] },
      action: { name: 'page' },
      resource: { type: 'button', id: String(i) },
    })),
  });
  expect(seen.verified).toEqual([proof]);
  expect(seen.waits).toEqual(['recordAttempt', 'recordAttempt', 'recordAttempt']);
  await rig.close();
});
