/**
 * What it costs to verify a proof: for the first time against bare `jose.jwtVerify` with the same key and the same
 * checks, and again; compared with `@descope/node-sdk` and `express-oauth2-jwt-bearer`; and cold, with the keys still to be fetched.
 * Prints medians over calls that take turns, so that a busy machine slows all alike.
 * Run: `npx node bench/proof.ts`
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import descopeClient from '@descope/node-sdk';
import type { Request, Response } from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import type { Algorithm } from '../src/step-up/issuer.ts';
import { stepUpIssuers } from '../src/step-up/issuers.ts';
import { joseVerifier } from '../src/step-up/jose.ts';
import { bar } from './bar.ts';

// The Descope SDK accepts the project id as issuer only.
const DESCOPE_PROJECT = 'P2abcDEFghiJKLmnoPQRstuVWXyz';
const ISSUER = `https://idp.example/${DESCOPE_PROJECT}`;
const AUDIENCE = 'risk-edge';
const ROUNDS = 41;
const TOKENS = 200;
const COLD_ROUNDS = 60;

for (const algorithm of ['ES256', 'RS256', 'EdDSA'] satisfies Algorithm[]) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm);
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: algorithm, use: 'sig' };
  // The other libraries read the clock themselves.
  const nowMs = Date.now();
  const now = Math.floor(nowMs / 1000);
  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, (_, index) =>
      new SignJWT({ su: true, acr: '2', amr: ['pwd', 'otp'], auth_time: now - 10, sid: 's1' })
        .setProtectedHeader({ alg: algorithm, kid: 'k1', typ: 'JWT' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(`u${index}`)
        .setJti(`j-${index}`)
        .setIssuedAt(now - 10)
        .setExpirationTime(now + 3600)
        .sign(privateKey),
    ),
  );
  const issuers = stepUpIssuers.parse([
    { issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [jwk] }, algorithms: [algorithm] },
  ]);
  const currentDate = new Date(nowMs);

  const verifyBare = (token: string) =>
    jwtVerify(token, publicKey, { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm], currentDate });
  const descope = descopeClient({ projectId: DESCOPE_PROJECT, publicKey: JSON.stringify(jwk) });
  const keys = await keyServer({ keys: [jwk] });
  const bearer = bearerVerifier(keys.url);
  const bare: number[] = [];
  const others: Record<string, number[]> = { '@descope/node-sdk': [], 'express-oauth2-jwt-bearer': [] };
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
    await bearer(warmUp);
    for (const token of measured) {
      others['@descope/node-sdk']?.push(await timed((text) => descope.validateJwt(text), token));
      others['express-oauth2-jwt-bearer']?.push(await timed(bearer, token));
    }
  }
  const cold: number[] = [];
  const coldBearer: number[] = [];
  const [token = ''] = tokens;
  for (let round = 0; round < COLD_ROUNDS; round += 1) {
    const fetched = stepUpIssuers.parse([
      { issuer: ISSUER, audience: AUDIENCE, jwks_uri: keys.url, algorithms: [algorithm] },
    ]);
    const verifier = joseVerifier({ issuers: fetched, fetch });
    cold.push(await timed((text) => verifier.verify(text, nowMs), token));
    coldBearer.push(await timed(bearerVerifier(keys.url), token));
  }
  keys.close();
  const base = median(bare);
  const ratio = (values: readonly number[]) => median(values) / base;
  console.info(
    `${algorithm}: bare jose.jwtVerify ${micros(base)}; ` +
      `first ${micros(median(first))}, repeat ${micros(median(repeat))}`,
  );
  for (const [name, times] of Object.entries(others)) {
    console.info(`  ${name}: ${micros(median(times))}, ${ratio(times).toFixed(2)} of bare jose`);
  }
  console.info(
    `  cold, keys fetched: stepgate ${micros(median(cold))}, express-oauth2-jwt-bearer ${micros(median(coldBearer))}`,
  );
  bar(`${algorithm} for the first time, of bare jose`, ratio(first).toFixed(3), ratio(first) <= 1.1, 'at most 1.1');
  bar(`${algorithm} again, of bare jose`, ratio(repeat).toFixed(3), ratio(repeat) <= 0.1, 'at most 0.1');
}

/** A key endpoint on loopback. */
async function keyServer(keys: object): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(keys));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/jwks`, close: () => server.close() };
}

/** The middleware as a function of the token; rejects where it would answer 401. */
function bearerVerifier(jwksUri: string): (token: string) => Promise<void> {
  const middleware = auth({ issuer: ISSUER, audience: AUDIENCE, jwksUri });
  return (token) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, host: 'shop.example' };
      const request = {
        headers,
        method: 'POST',
        protocol: 'https',
        url: '/checkout',
        query: {},
        body: {},
        is: () => false,
        get: (name: string) => (name === 'Host' ? headers.host : undefined),
      };
      // Only what the middleware reads of a request is there.
      middleware(request as unknown as Request, {} as Response, (error?: unknown) =>
        error ? reject(error) : resolve(),
      );
    });
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
