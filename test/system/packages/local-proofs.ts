import { proofsByIssuers } from '@stepgate/sdk/proofs';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** Proofs that an application judges by itself: compiled and run against several versions of jose. */
const { publicKey, privateKey } = await generateKeyPair('ES256');
const key = { ...(await exportJWK(publicKey)), kty: 'EC', kid: 'k1' };
const issuer = 'https://id.shop.example';
const proofs = proofsByIssuers({
  issuers: [{ issuer, audience: 'shop', algorithms: ['ES256'], jwks: { keys: [key] } }],
});

async function judged(subject: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const token = await new SignJWT({ su: true, auth_time: now })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience('shop')
    .setSubject('ann')
    .setIssuedAt(now)
    .setExpirationTime(now + 600)
    .sign(privateKey);
  const requirement = { acrValues: [], amrValues: [], maxAgeSeconds: 600, singleUse: false, unsatisfiable: false };
  const verdict = await proofs.judge({ token, subject, subjectSpace: null, session: null, requirement });
  return verdict.valid ? 'valid' : verdict.failed ? verdict.why : verdict.code;
}
console.log(JSON.stringify([await judged('ann'), await judged('bob')]));
