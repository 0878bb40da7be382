import { env } from 'cloudflare:workers';
import { monotonicFactory } from 'ulid';
import files from '#bundled-rules';
import { createApp } from './app.ts';
import { afterwork, liveRules, openVerifier, randomFractions, textOf, unmetBy } from './assembly.ts';
import { consoleLines } from './audit/console.ts';
import { noMetrics } from './audit/metrics.ts';
import type { Engine } from './engine.ts';
import { noGeo } from './geo/no-geo.ts';
import { readStream } from './http/body.ts';
import { callers } from './http/caller.ts';
import { ProblemError, problemResponse } from './http/problem.ts';
import type { EdgeRequest } from './http/route.ts';
import { NO_REPUTATION } from './reputation/standing.ts';
import { compileRules } from './rules/compile.ts';
import { RulesError } from './rules/problems.ts';
import { type Environment, loadSettings, type Settings, SettingsError } from './settings.ts';
import { deviceTokens } from './signals/device-token-jose.ts';
import { FACT_CATALOG } from './signals/index.ts';
import { memoryStore } from './store/memory.ts';
import { pseudonymizer } from './store/pseudonym.ts';
import type { Store } from './store/store.ts';

/** The part of the runtime's execution context that is used. */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** Answers one request. */
type Handle = (request: Request, context: ExecutionContext) => Promise<Response>;

/**
 * Everything that one isolate keeps from request to request: settings, compiled rules, routes, caches. Connections are not
 * among it: the runtime gives a socket to the request that opened it and to no other.
 *
 * @throws {SettingsError} when the variables cannot be used
 * @throws {RulesError} when the bundled rules cannot be used
 */
function openWorker(environment: Environment): Handle {
  const settings = loadSettings(environment, () => randomText(36));
  const now = (): number => Date.now();
  const { log, records } = consoleLines(settings.logLevel, { to: console, now });
  const metrics = noMetrics;
  const rules = liveRules(compileRules(files, FACT_CATALOG, unmetBy(settings)), log);
  const newId = monotonicFactory(randomFractions());
  const shared: Omit<Engine, 'store'> = {
    rules: rules.current,
    geo: noGeo(),
    reputation: () => NO_REPUTATION,
    deviceTokens: deviceTokens({
      secrets: settings.deviceTokenSecrets.map((secret) => new TextEncoder().encode(secret)),
    }),
    verifier: openVerifier(settings, { log, metrics, shareFetches: false }),
    pseudonym: pseudonymizer(settings.privacyKey),
    now,
    newId: () => newId(now()),
    newDeviceId: () => `d-${randomText(9)}`,
  };
  const openStore = storeOpener(settings, now);
  const app = createApp({
    scopeOf: (c) => edgeOf(c.env.edge).scope,
    findCaller: callers(settings.apiKeys),
    readBody: readStream,
    trust: { trusted: settings.trustedProxies, declared: settings.clientIpHeader },
    gateway: settings,
    metrics,
    records,
    log,
    elapsedMs: () => performance.now(),
    isStopping: () => false,
    rulesProblem: () => null,
  });

  return async (request, context) => {
    const work = afterwork(log);
    const store = openStore();
    const edge: EdgeRequest = {
      scope: { engine: { ...shared, store }, later: (task) => context.waitUntil(work.add(task)) },
      peer: request.headers.get('cf-connecting-ip'),
    };
    const response = await app.fetch(request, { edge });
    context.waitUntil(work.settled().then(() => store.close()));
    return response;
  };
}

function edgeOf(edge: EdgeRequest | undefined): EdgeRequest {
  if (edge === undefined) throw new Error('a request reached the app without what belongs to it');
  return edge;
}

/** Opens the store for one request; it is closed when the request and its afterwork ended. */
function storeOpener(_settings: Settings, now: () => number): () => Store {
  const memory = memoryStore({ now });
  const lasting: Store = { ...memory, close: async () => undefined };
  return () => lasting;
}

function randomText(bytes: number): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

/** The variables among what is bound. A variable that wrangler.toml writes as a table or a list is read as its JSON. */
function environmentOf(bound: { readonly [name: string]: unknown }): Environment {
  return Object.fromEntries(
    Object.entries(bound).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}

/** Every request is refused, and told why: what is wrong names settings and rules, never a secret. */
function refuseAll(error: SettingsError | RulesError): Handle {
  console.error(error.message);
  return async () => problemResponse(new ProblemError('misconfigured', error.message));
}

function opened(): Handle {
  try {
    return openWorker(environmentOf(env));
  } catch (error) {
    if (error instanceof SettingsError || error instanceof RulesError) return refuseAll(error);
    throw error;
  }
}

/** Opened by the first request: before it, the runtime gives neither chance nor time. */
function openedOnce(): () => Handle {
  let handle: Handle | null = null;
  return () => {
    handle ??= opened();
    return handle;
  };
}

const handle = openedOnce();

export default {
  async fetch(request: Request, _env: unknown, context: ExecutionContext): Promise<Response> {
    try {
      return await handle()(request, context);
    } catch (error) {
      console.error(textOf(error));
      return problemResponse(new ProblemError('internal', 'the service failed; its log says why'));
    }
  },
};
