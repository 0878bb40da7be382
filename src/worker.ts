import { env } from 'cloudflare:workers';
import clientScripts from '#bundled-client';
import files from '#bundled-rules';
import { createApp } from './app/app.ts';
import { assembleLasting } from './app/assemble-engine.ts';
import {
  afterwork,
  liveRules,
  randomFractions,
  secretsOf,
  unmetBy,
  warnOfIgnored,
  watchedKeys,
} from './app/assembly.ts';
import { type Environment, loadSettings, SETTINGS, type Settings, SettingsError } from './app/settings.ts';
import type { Engine } from './engine/engine.ts';
import type { EdgeRequest } from './http/api-route.ts';
import { readStream } from './http/body.ts';
import { callers } from './http/caller.ts';
import { ProblemError, problemResponse } from './http/problem.ts';
import { stackOf } from './model/error-text.ts';
import type { GeoSource } from './model/geo.ts';
import type { Log } from './records/log.ts';
import type { Metrics } from './records/metrics.ts';
import { toAll } from './records/sinks.ts';
import { compileRules } from './rules/compile.ts';
import { RulesError } from './rules/problems.ts';
import { FACT_CATALOG } from './signals/index.ts';
import { storeBreaker } from './store/breaker.ts';
import { budgetedStore } from './store/budget.ts';
import { memoryStore } from './store/memory.ts';
import { RedisUrlError } from './store/redis/url.ts';
import type { PartwiseStore, Store } from './store/store.ts';
import { analyticsMetrics, analyticsRecords, type Dataset } from './worker/analytics.ts';
import { type Assets, edgeData } from './worker/assets.ts';
import { cfGeo } from './worker/cf-geo.ts';
import { consoleLines } from './worker/console.ts';
import { redisPerRequest } from './worker/redis-per-request.ts';
import { type RedisPoolNamespace, redisPool } from './worker/redis-pool.ts';
import { type RulesNamespace, rulesInKv } from './worker/rules-kv.ts';

export { RedisPool } from './worker/redis-pool.ts';

/** The part of the runtime's execution context that is used. */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** Bindings of wrangler.toml beside the variables; each may be left out. */
interface Bindings {
  /** KV namespace with rules that replace the bundled ones without a deploy. */
  readonly rulesKv: RulesNamespace | null;
  /** Analytics Engine dataset for decision records. */
  readonly decisions: Dataset | null;
  /** Durable Objects that stay connected to Redis; without them each request connects by itself. */
  readonly redisPool: RedisPoolNamespace | null;
  /** Static assets with the geo data and the address lists; without them there are neither. */
  readonly assets: Assets | null;
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
function openWorker(environment: Environment, bindings: Bindings): Handle {
  const settings = loadSettings(environment, () => randomText(36), 'workers');
  const now = (): number => Date.now();
  const { log, records } = consoleLines(settings.logLevel, { to: console, now });
  warnOfIgnored(log, settings);
  const metrics = analyticsMetrics(bindings.decisions);

  const unmet = unmetBy(settings);
  const rules = liveRules(compileRules(files, FACT_CATALOG, unmet), log, settings);
  const kv =
    bindings.rulesKv &&
    rulesInKv({
      namespace: bindings.rulesKv,
      catalog: FACT_CATALOG,
      unmet,
      bundled: rules.current(),
      everyMs: settings.rulesKvSeconds * 1000,
      onSwap: rules.swap,
      onRefused: rules.refuse,
    });
  const data = edgeData(settings, bindings.assets, { log, now });
  const random = randomFractions();
  const lasting = assembleLasting({
    rules: rules.current,
    issuers: settings.stepUpIssuers,
    secrets: secretsOf(settings),
    offersDeviceSessions: settings.deviceBoundSessions,
    now,
    random,
    keys: { ...watchedKeys({ log, metrics }), shareFetches: false },
  });
  const openStore = storeOpener(settings, bindings.redisPool, { log, metrics, now, random });
  const app = createApp({
    scopeOf: (c) => edgeOf(c.env.edge).scope,
    findCaller: callers(settings.apiKeys),
    readBody: readStream,
    trust: { trusted: settings.trustedProxies, declared: settings.clientIpHeader },
    gateway: settings,
    clientScripts,
    metrics,
    records: bindings.decisions === null ? records : toAll([records, analyticsRecords(bindings.decisions)]),
    log,
    elapsedMs: () => performance.now(),
    isStopping: () => false,
    storeWarning: settings.redisUrl === null ? MEMORY_OF_ONE_ISOLATE : null,
    rulesProblem: () => kv?.problem() ?? null,
  });

  return async (request, context) => {
    const { add, settled } = afterwork(log);
    const later = (work: () => Promise<void>): void => context.waitUntil(add(work));
    const store = openStore();
    const { geo, reputation } = data((work) => context.waitUntil(work));
    const engine: Engine = { ...lasting, store, geo: geoOf(settings, request, geo), reputation: () => reputation };
    const edge: EdgeRequest = {
      scope: { engine, later },
      peer: request.headers.get('cf-connecting-ip'),
    };
    const look = kv?.due(now());
    if (look) later(look);
    const answer = Promise.resolve(app.fetch(request, { edge }));
    // A client that goes away does not take along what was begun: a store that is being tried again has to be told of.
    context.waitUntil(answer.then(settled).then(() => store.close()));
    return answer;
  };
}

const MEMORY_OF_ONE_ISOLATE =
  'REDIS_URL is not set: each isolate has a memory of its own, gone with it; good for development only';

function edgeOf(edge: EdgeRequest | undefined): EdgeRequest {
  if (edge === undefined) throw new Error('a request reached the app without what belongs to it');
  return edge;
}

/** `request.cf` is there on Cloudflare only. */
function geoOf({ geoFromCf }: Settings, request: Request, others: GeoSource): GeoSource {
  if (!geoFromCf) return others;
  return cfGeo(
    {
      cf: 'cf' in request ? request.cf : null,
      connectingIp: request.headers.get('cf-connecting-ip'),
      byWorker: request.headers.has('cf-worker'),
    },
    others,
  );
}

/** A command is given up no earlier, in ms: learning after the answer has more time than the answer. */
const LEAST_COMMAND_TIMEOUT_MS = 1000;

/**
 * How each request opens its store, which is closed when the request and its afterwork ended. The circuit is one for all of
 * them, so that a thousand requests do not each find out that Redis is away.
 */
function storeOpener(
  { redisUrl, redisPoolSize, redisPoolLocation, storeTimeoutMs }: Settings,
  pool: RedisPoolNamespace | null,
  {
    log,
    metrics,
    now,
    random,
  }: { readonly log: Log; readonly metrics: Metrics; readonly now: () => number; readonly random: () => number },
): () => Store {
  if (redisUrl === null) {
    log.warn(`store: ${MEMORY_OF_ONE_ISOLATE}`);
    const memory: Store = { ...memoryStore({ now }), close: async () => undefined };
    return () => memory;
  }
  const options = {
    url: redisUrl,
    timeoutMs: Math.max(storeTimeoutMs, LEAST_COMMAND_TIMEOUT_MS),
    onConnectionError: (problem: string) => log.warn('no connection to Redis', { problem }),
  };
  const openRedis = (): PartwiseStore =>
    pool === null
      ? redisPerRequest(options)
      : redisPool(pool, { ...options, size: redisPoolSize, location: redisPoolLocation, random });
  refuseUrlFor(openRedis);
  const breaker = storeBreaker({ elapsedMs: () => performance.now() });
  return () => budgetedStore(openRedis(), { timeoutMs: storeTimeoutMs, onFailure: metrics.storeFailed, breaker });
}

/** A URL that this way of connecting cannot serve is told before the first request needs it. */
function refuseUrlFor(open: () => Store): void {
  try {
    open();
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error;
    throw new SettingsError([
      { code: 'invalid', name: 'REDIS_URL', message: error.message.replace(/^REDIS_URL:? /, '') },
    ]);
  }
}

/** Bytes from the secure random source as base64url. */
function randomText(bytes: number): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

/** The variables among what is bound. What wrangler.toml writes as a number, a list or a table is read as its JSON. */
function environmentOf(bound: { readonly [name: string]: unknown }): Environment {
  const textOfVariable = (value: unknown): string | undefined =>
    value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
  return Object.fromEntries(Object.values(SETTINGS).map(({ name }) => [name, textOfVariable(bound[name])]));
}

/** @throws {SettingsError} when a binding is not of the kind that its name stands for */
function bindingsOf(bound: { readonly [name: string]: unknown }): Bindings {
  return {
    rulesKv: bindingWith<RulesNamespace>(bound, 'RULES_KV', 'get', 'a KV namespace'),
    redisPool: bindingWith<RedisPoolNamespace>(bound, 'REDIS_POOL', 'idFromName', 'the Durable Object RedisPool'),
    assets: bindingWith<Assets>(bound, 'ASSETS', 'fetch', 'the folder of static assets'),
    decisions: bindingWith<Dataset>(bound, 'DECISIONS', 'writeDataPoint', 'an Analytics Engine dataset'),
  };
}

/** Bindings are objects of the runtime: their kind shows in the method that is called. */
function bindingWith<T extends object>(
  bound: { readonly [name: string]: unknown },
  name: string,
  method: keyof T & string,
  kind: string,
): T | null {
  const value = bound[name];
  if (value === undefined) return null;
  if (isOfKind<T>(value, method)) return value;
  throw new SettingsError([{ code: 'invalid', name, message: `is bound to something else than ${kind}` }]);
}

function isOfKind<T extends object>(value: unknown, method: keyof T & string): value is T {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function';
}

/** Every request is refused. What is wrong stands in the log alone: anybody may ask, and settings are nobody's business. */
function refuseAll(error: SettingsError | RulesError): Handle {
  console.error(error.message);
  return async () => problemResponse(new ProblemError('misconfigured', 'the service cannot start; its log says why'));
}

function opened(): Handle {
  try {
    return openWorker(environmentOf(env), bindingsOf(env));
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
      console.error(stackOf(error));
      return problemResponse(new ProblemError('internal', 'the service failed; its log says why'));
    }
  },
};
