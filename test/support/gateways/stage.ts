import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { BUNDLED_SHARDS } from '../geo/built.ts';
import { issuer } from '../issuer.ts';
import { freePort, type Listening, listen } from '../servers/listen.ts';
import { type Program, type ProgramOptions, startProgram } from '../servers/program.ts';
import { workerCode } from '../servers/worker.ts';
import { WORKERD, writeWorkerd } from '../servers/workerd.ts';
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
  /** Starts a program and waits until it takes connections; records of an engine in it are records of this stage. */
  start(
    command: string,
    args: readonly string[],
    options: ProgramOptions & { readonly ready: number },
  ): Promise<Program>;
  /** Waits until an engine's log holds a decision record or a message with this request id and this code. */
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
  const programs: Program[] = [];
  const start: Stage['start'] = async (command, args, { env, ...options }) => {
    const clean = { PATH: process.env.PATH, HOME: dir, ...env };
    const program = await startProgram(command, args, { cwd: dir, ...options, env: clean });
    programs.push(program);
    return program;
  };
  const startEngine = async (key: string): Promise<Program> => {
    const variables = variablesWith(key);
    if (runtime === 'workerd') {
      const config = writeWorkerd(dir, await workerCode(SCENARIO_RULES), { vars: variables, port: enginePort });
      return start(WORKERD, ['serve', config], { ready: enginePort });
    }
    const node = {
      PORT: String(enginePort),
      RULES_DIR: SCENARIO_RULES,
      IP_LISTS_DIR: join(dir, 'no-lists'),
      GEO_DIR: BUNDLED_SHARDS,
    };
    return start(process.execPath, [join(import.meta.dirname, '../../../src/node.ts')], {
      env: { ...node, ...variables },
      ready: enginePort,
    });
  };
  let engine = await startEngine(GATEWAY_KEY);
  let impostor: Listening | undefined;
  return {
    enginePort,
    upstream,
    variables: variablesWith(GATEWAY_KEY),
    dir,
    start,
    expectLogged: async (requestId, code, label) => {
      const about = () =>
        programs
          .flatMap((program) => program.output().split('\n'))
          .filter((line) => line.includes(`"request_id":${JSON.stringify(requestId)}`));
      await expect.poll(() => about().join('\n'), { message: `${label}: the record` }).toContain(`"${code}"`);
    },
    token: (sub, { su = false, padding = 0, ageS = 0 } = {}) =>
      idp.sign(
        { sub, jti: crypto.randomUUID(), ...(su && { su }), ...(padding > 0 && { padding: 'x'.repeat(padding) }) },
        ageS,
      ),
    killEngine: async () => void (await engine.stop('SIGKILL')),
    startEngine: async (key = GATEWAY_KEY) => {
      await impostor?.stop();
      engine = await startEngine(key);
    },
    freezeEngine: () => engine.kill('SIGSTOP'),
    thawEngine: () => engine.kill('SIGCONT'),
    impersonateEngine: async () => {
      await engine.stop('SIGKILL');
      impostor = await listen(
        createServer((_, response) => response.end('ok')),
        enginePort,
      );
    },
    close: async () => {
      await impostor?.stop();
      await engine.stop('SIGKILL');
      await upstream.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
