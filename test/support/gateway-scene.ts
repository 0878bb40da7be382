import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { JWTPayload } from 'jose';
import type { GatewaySettings } from '../../src/http/deps.ts';
import { parseTrustedProxies } from '../../src/net/client-ip.ts';
import { issuer } from './issuer.ts';
import { API_KEY, type Scene, type SceneOptions, scene } from './scene.ts';

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

export interface HookAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A scene that a gateway on this machine asks. */
export interface GatewayScene extends Scene {
  readonly port: number;
  /** A token of the issuer of the scene: a session token, or with `su` a proof. */
  token(claims: JWTPayload & { su?: boolean }, ageS?: number): Promise<string>;
  /** The same from a key that nobody knows. */
  forged(claims: JWTPayload & { su?: boolean }): Promise<string>;
  ask(target: string, headers?: OutgoingHttpHeaders, method?: string): Promise<HookAnswer>;
  /** `/forward-auth` for an original request, authenticated as the gateway. */
  forward(method: string, uri: string, headers?: OutgoingHttpHeaders): Promise<HookAnswer>;
  /** Sends bytes as they are, resolves with all that came back until the other side closed or fell silent for 2 s. */
  raw(text: string): Promise<string>;
  close(): Promise<void>;
}

export interface GatewaySceneOptions extends SceneOptions {
  /** `TRUSTED_PROXIES`. Default: loopback. */
  readonly trusted?: string;
  readonly gateway?: Partial<GatewaySettings>;
}

/** A scene behind a real Node server on a free port, so that targets and headers arrive as gateways send them. */
export async function gatewayScene({
  trusted = '127.0.0.0/8',
  gateway,
  ...options
}: GatewaySceneOptions = {}): Promise<GatewayScene> {
  const it = scene({
    rules: HOOK_RULES,
    ...options,
    deps: {
      trust: { trusted: parseTrustedProxies(trusted), declared: null },
      gateway: { sessionCookie: 'session', stepUpUrl: null, returnHosts: [], publicUrl: null, ...gateway },
      ...options.deps,
    },
  });
  const stranger = issuer({ now: it.engine.now });
  // As large as the service takes them.
  const server = createServer({ maxHeaderSize: 64 * 1024 }, getRequestListener(it.app.fetch));
  const port = await listening(server);
  const ask: GatewayScene['ask'] = (target, headers = {}, method = 'GET') => askServer(port, target, headers, method);
  return {
    ...it,
    port,
    token: (claims, ageS = 10) => it.issuer.sign(claims, ageS),
    forged: (claims) => stranger.sign(claims, 10),
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
      await it.settled();
      await new Promise<void>((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      });
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
