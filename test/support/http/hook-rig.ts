import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import type { Engine } from '../../../src/engine/engine.ts';
import type { AppDeps, GatewaySettings } from '../../../src/http/deps.ts';
import { parseTrustedProxies } from '../../../src/net/client-ip.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../src/signals/index.ts';
import { stepUpIssuers } from '../../../src/step-up/issuers.ts';
import { joseVerifier } from '../../../src/step-up/jose.ts';
import { NOW_MS } from '../engine.ts';
import { API_KEY, type TestApp, testApp } from './test-app.ts';

/** Rules of the rig: routes of every kind, and rules that name the actions behind them. */
export const HOOK_RULES = {
  version: 1,
  actions: {
    pay: { routes: ['POST /api/pay', 'PUT /api/pay'], trust: { days: 30, on_step_up: true } },
    transfer: { routes: ['POST /api/transfers/{id}/confirm'] },
    admin: { routes: ['* /admin/*'] },
    report: { routes: ['GET /reports/*'] },
    upload: { routes: ['* /upload/*'] },
    page: { routes: ['GET /account'] },
    catalogue: { routes: ['GET /public/*'] },
  },
  levels: { medium: 30, high: 70 },
  floor: 'step-up',
  default: 'allow',
  rules: [
    rule('pay-once', { action: 'pay' }, { decision: 'step-up', max_age: 300, single_use: true, reason: 'payment' }),
    rule(
      'guarded',
      { action: { in: ['transfer', 'admin', 'report', 'page'] } },
      { decision: 'step-up', acr_values: ['urn:stepgate:su'], max_age: 600, reason: 'guarded_route' },
    ),
    rule('no-upload', { action: 'upload' }, { decision: 'deny', reason: 'upload_refused' }),
  ],
};

function rule(id: string, when: object, then: object): object {
  return { id, when, then };
}

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'app';

export interface HookAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface HookRig extends TestApp {
  readonly port: number;
  /** A token of the configured issuer; a session token without `su`, a proof with it. */
  token(claims: JWTPayload & { su?: boolean }, ageSeconds?: number): Promise<string>;
  /** The same from a key that nobody knows. */
  forged(claims: JWTPayload & { su?: boolean }): Promise<string>;
  ask(target: string, headers?: OutgoingHttpHeaders, method?: string): Promise<HookAnswer>;
  /** `/forward-auth` for an original request, authenticated as the gateway. */
  forward(method: string, uri: string, headers?: OutgoingHttpHeaders): Promise<HookAnswer>;
  /** Sends bytes as they are, resolves with all that came back until the other side closed or fell silent for 2 s. */
  raw(text: string): Promise<string>;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly rules?: object;
  readonly trusted?: string;
  readonly gateway?: Partial<GatewaySettings>;
  readonly engine?: Partial<Engine>;
  readonly deps?: Partial<AppDeps>;
}

/** The app behind a real Node server on a free port, so that targets and headers arrive as gateways send them. */
export async function hookRig(options: RigOptions = {}): Promise<HookRig> {
  const known = await generateKeyPair('ES256');
  const stranger = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(known.publicKey)), kid: 'k1', alg: 'ES256' }] };
  const issuers = stepUpIssuers.parse([
    { issuer: ISSUER, audience: AUDIENCE, jwks, algorithms: ['ES256'], step_up: { claim: 'su', equals: true } },
  ]);
  const rules = compileRules([{ name: 'hooks.json', text: JSON.stringify(options.rules ?? HOOK_RULES) }], FACT_CATALOG);
  const rig = testApp({
    engine: {
      rules: () => rules,
      verifier: joseVerifier({ issuers, fetch: () => Promise.reject(new Error('no network in this test')) }),
      ...options.engine,
    },
    deps: {
      trust: { trusted: parseTrustedProxies(options.trusted ?? '127.0.0.0/8'), declared: null },
      gateway: { sessionCookie: 'session', stepUpUrl: null, returnHosts: [], publicUrl: null, ...options.gateway },
      ...options.deps,
    },
  });
  const server = createServer(getRequestListener(rig.app.fetch));
  const port = await listening(server);
  const sign = (key: CryptoKey, claims: JWTPayload, ageSeconds: number): Promise<string> => {
    const at = Math.floor(NOW_MS / 1000) - ageSeconds;
    return new SignJWT({ auth_time: at, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt(at)
      .setExpirationTime(claims.exp ?? at + 3600)
      .sign(key);
  };
  const ask: HookRig['ask'] = (target, headers = {}, method = 'GET') => askServer(port, target, headers, method);
  return {
    ...rig,
    port,
    token: (claims, ageSeconds = 10) => sign(known.privateKey, claims, ageSeconds),
    forged: (claims) => sign(stranger.privateKey, claims, 10),
    ask,
    forward: (method, uri, headers = {}) =>
      ask('/forward-auth', {
        'X-Stepgate-Key': API_KEY,
        'X-Forwarded-Method': method,
        'X-Forwarded-Uri': uri,
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'app.example',
        'X-Forwarded-For': '81.2.69.160',
        ...headers,
      }),
    raw: (text) => sendRaw(port, text),
    close: async () => {
      await rig.settled();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else resolve(address.port);
    });
  });
}

function askServer(port: number, path: string, headers: OutgoingHttpHeaders, method: string): Promise<HookAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.setTimeout(2000, () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}
