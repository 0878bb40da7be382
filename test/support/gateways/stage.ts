import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { BUNDLED_SHARDS } from '../geo/built.ts';
import { issuer } from '../issuer.ts';
import { freePort } from '../servers/redis.ts';
import { workerCode } from '../servers/worker.ts';
import { WORKERD, writeWorkerd } from '../servers/workerd.ts';
import { type Program, startProgram } from './programs.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** Folder of the rules by which the scenarios are judged. */
export const SCENARIO_RULES = join(import.meta.dirname, 'rules');

/** The secret by which gateways are known to the engine. */
export const GATEWAY_KEY = 'the-key-of-the-gateway';
export const STEP_UP_URL = 'https://id.example/step-up';

/** A running engine with the rules of the scenarios, and an application for gateways to stand in front of. */
export interface Stage {
  readonly enginePort: number;
  readonly upstream: Upstream;
  /** The engine's variables, for another one that runs beside it. */
  readonly variables: { readonly [name: string]: string };
  /** Temporary folder that is gone with the stage. */
  readonly dir: string;
  /** A token of the configured issuer: a session token, or with `su` a proof. */
  token(
    subject: string,
    more?: { readonly su?: boolean; readonly padding?: number; readonly ageS?: number },
  ): Promise<string>;
  /** Waits until the engine's log holds a decision record or a message with this request id and this code. */
  expectLogged(requestId: string, code: string, label: string): Promise<void>;
  /** Ends the engine at once; nobody listens on its port then. */
  killEngine(): Promise<void>;
  /** With another key than {@link GATEWAY_KEY} the gateway is a stranger to it. */
  startEngine(key?: string): Promise<void>;
  /** Connections to the engine are taken and not answered. */
  freezeEngine(): void;
  thawEngine(): void;
  /** Ends the engine and answers in its place every request with a bare 200. */
  impersonateEngine(): Promise<void>;
  close(): Promise<void>;
}

/** What the engine of a stage runs on. */
export type EngineRuntime = 'node' | 'workerd';

/** `settings` replace those that fit a gateway on 127.0.0.1 which walks `X-Forwarded-For`. */
export async function openStage(
  settings: { readonly [name: string]: string } = {},
  runtime: EngineRuntime = 'node',
): Promise<Stage> {
  const idp = issuer();
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-gateway-'));
  const enginePort = await freePort();
  const upstream = await startUpstream();
  const environment = {
    // The gateway alone: clients send from other loopback addresses.
    TRUSTED_PROXIES: '127.0.0.1/32',
    SESSION_COOKIE: 'session',
    STEP_UP_URL,
    RETURN_HOSTS: 'app.example',
    DEVICE_BOUND_SESSIONS: 'on',
    STEP_UP_ISSUERS: JSON.stringify([idp.entry()]),
  };
  const variablesWith = (key: string) => ({ ...environment, ...settings, API_KEYS: `gateway:${key}` });
  const start = async (key: string): Promise<Program> => {
    const variables = variablesWith(key);
    const at = { port: enginePort, cwd: dir };
    if (runtime === 'workerd') {
      const config = writeWorkerd(dir, await workerCode(SCENARIO_RULES), { vars: variables, port: enginePort });
      return startProgram(WORKERD, ['serve', config], at);
    }
    const node = {
      PORT: String(enginePort),
      RULES_DIR: SCENARIO_RULES,
      IP_LISTS_DIR: join(dir, 'no-lists'),
      GEO_DIR: BUNDLED_SHARDS,
    };
    return startProgram(process.execPath, [join(import.meta.dirname, '../../../src/node.ts')], {
      ...at,
      environment: { ...node, ...variables },
    });
  };
  let engine = await start(GATEWAY_KEY);
  const impostor = createServer((_, response) => response.end('ok'));
  return {
    enginePort,
    upstream,
    variables: variablesWith(GATEWAY_KEY),
    dir,
    expectLogged: async (requestId, code, label) => {
      const logs = () =>
        ['node.log', 'workerd.log'].flatMap((name) => {
          const file = join(dir, name);
          return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
        });
      const about = () => logs().filter((line) => line.includes(`"request_id":${JSON.stringify(requestId)}`));
      await expect.poll(() => about().join('\n'), { message: `${label}: the record` }).toContain(`"${code}"`);
    },
    token: (sub, { su = false, padding = 0, ageS = 0 } = {}) =>
      idp.sign(
        { sub, jti: crypto.randomUUID(), ...(su && { su }), ...(padding > 0 && { padding: 'x'.repeat(padding) }) },
        ageS,
      ),
    killEngine: () => engine.stop('SIGKILL'),
    startEngine: async (key = GATEWAY_KEY) => {
      await closed(impostor);
      engine = await start(key);
    },
    freezeEngine: () => void engine.process.kill('SIGSTOP'),
    thawEngine: () => void engine.process.kill('SIGCONT'),
    impersonateEngine: async () => {
      await engine.stop('SIGKILL');
      await new Promise<void>((resolve) => impostor.listen(enginePort, '127.0.0.1', resolve));
    },
    close: async () => {
      await closed(impostor);
      await engine.stop('SIGKILL');
      await upstream.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
