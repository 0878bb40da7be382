/**
 * What it costs to verify a proof: for the first time against bare `jose.jwtVerify` with the same key and the same
 * checks, and again. Prints medians over calls that take turns, so that a busy machine slows both alike.
 * Run: `npx node bench/proof.ts`
 */
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { joseVerifier } from '../src/step-up/jose.ts';
import { type Algorithm, stepUpIssuers } from '../src/step-up/presets.ts';
import { bar } from './bar.ts';

const ISSUER = 'https://idp.example';
const AUDIENCE = 'risk-edge';
const ROUNDS = 41;
const TOKENS = 200;

for (const algorithm of ['RS256', 'ES256'] satisfies Algorithm[]) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm);
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: algorithm, use: 'sig' };
  const nowMs = 1_741_608_010_000;
  const now = nowMs / 1000;
  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, (_, index) =>
      new SignJWT({ su: true, acr: '2', amr: ['pwd', 'otp'], auth_time: now - 10, sid: 's1' })
        .setProtectedHeader({ alg: algorithm, kid: 'k1', typ: 'JWT' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(`u${index}`)
        .setJti(`j-${index}`)
        .setIssuedAt(now - 10)
        .setExpirationTime(now + 290)
        .sign(privateKey),
    ),
  );
  const issuers = stepUpIssuers.parse([
    { issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [jwk] }, algorithms: [algorithm] },
  ]);
  const currentDate = new Date(nowMs);

  const verifyBare = (token: string) =>
    jwtVerify(token, publicKey, { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm], currentDate });
  const bare: number[] = [];
  const first: number[] = [];
  const repeat: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // A new verifier remembers nothing; its key is imported before the clock starts, as the bare one's is.
    const verifier = joseVerifier({ issuers, fetch });
    const [warmUp = '', ...measured] = tokens;
    const check = await verifier.verify(warmUp, nowMs);
    if (!check.valid) throw new Error(check.error.message);
    const verify = (token: string) => verifier.verify(token, nowMs);
    for (const [index, token] of measured.entries()) {
      if (index % 2 === 0) bare.push(await timed(verifyBare, token));
      first.push(await timed(verify, token));
      if (index % 2 === 1) bare.push(await timed(verifyBare, token));
    }
    for (const token of measured) repeat.push(await timed(verify, token));
  }
  const base = median(bare);
  const ratio = (values: readonly number[]) => median(values) / base;
  console.info(
    `${algorithm}: bare jose.jwtVerify ${micros(base)}; ` +
      `first ${micros(median(first))}, repeat ${micros(median(repeat))}`,
  );
  bar(`${algorithm} for the first time, of bare jose`, ratio(first).toFixed(3), ratio(first) <= 1.1, 'at most 1.1');
  bar(`${algorithm} again, of bare jose`, ratio(repeat).toFixed(3), ratio(repeat) <= 0.1, 'at most 0.1');
}

/** Time of one call in milliseconds. */
async function timed(verify: (token: string) => Promise<unknown>, token: string): Promise<number> {
  const start = performance.now();
  await verify(token);
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function micros(ms: number): string {
  return `${(ms * 1000).toFixed(1)} µs`;
}
