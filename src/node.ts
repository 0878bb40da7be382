import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { resolve } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { getRequestListener, RequestError } from '@hono/node-server';
import { createApp } from './app/app.ts';
import { assembleEngine } from './app/assemble-engine.ts';
import {
  afterwork,
  liveRules,
  randomFractions,
  secretsOf,
  unmetBy,
  warnOfIgnored,
  warnOfStaleList,
  watchedKeys,
} from './app/assembly.ts';
import { loadSettings, type Settings, SettingsError } from './app/settings.ts';
import { type LiveGeo, openLocalGeo } from './data/geo/local-geo.ts';
import { watchReputation } from './data/lists/lists-file.ts';
import type { RequestScope } from './http/api-route.ts';
import { callers, type FindCaller } from './http/caller.ts';
import type { ClientScripts } from './http/deps.ts';
import { ProblemError, problemResponse } from './http/problem.ts';
import type { ApiKey } from './model/api-keys.ts';
import { stackOf } from './model/error-text.ts';
import { readIncoming } from './node/body.ts';
import { KeysFileError, type KeysWatchOptions, type WatchedKeys, watchKeys } from './node/keys-file.ts';
import { refuseUnparsed } from './node/refusal.ts';
import type { Log } from './records/log.ts';
import type { Metrics } from './records/metrics.ts';
import { type LineStream, pinoLines, standardOutput } from './records/pino.ts';
import { prometheusMetrics } from './records/prometheus.ts';
import { loadRules, watchRules } from './rules/load.ts';
import { RulesError } from './rules/problems.ts';
import { FACT_CATALOG } from './signals/index.ts';
import { storeBreaker } from './store/breaker.ts';
import { budgetedStore } from './store/budget.ts';
import { memoryStore } from './store/memory.ts';
import { redisStore } from './store/redis/redis.ts';
import type { Store } from './store/store.ts';

/** Longer than gateways keep idle connections (nginx and AWS load balancers: 60 s), so that they close first, never we. */
const KEEP_ALIVE_MS = 75_000;
/** How long the header lines, and a request as a whole, may take to arrive: who drips bytes holds a connection no longer. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How many times within the shorter of them it is looked for requests that are late. */
const LOOKS_WITHIN_TIMEOUT = 8;
/** All header lines of one request, in bytes. */
const MAX_HEADER_BYTES = 64 * 1024;
/** How long running requests may take to end once the process is told to stop. */
const DRAIN_MS = 10_000;
/** Share of the heap (`--max-old-space-size`) that the embedded store may fill. */
const EMBEDDED_SHARE = 0.25;
/** What V8 counts into its limit for young objects; the store's grow old. */
const YOUNG_BYTES = 192 * 1024 * 1024;
/** How long a connection that is idle when the process is told to stop may still bring a request. */
const LINGER_MS = 500;
/** How often connections that became idle are closed after that. */
const DRAIN_STEP_MS = 50;

/** A server that listens. */
export interface RunningServer {
  /** `http://127.0.0.1:8787`, with the port that was taken. */
  readonly url: string;
  /** Takes over what changed in the keys file and in the rules and lists directories without waiting to notice. */
  reload(): Promise<void>;
  /**
   * Stops: readiness turns red, no connection is accepted, open ones are told to close with their next answer, those that stay
   * idle are closed, running requests and what they teach get the drain time to end, the store is closed last. Calling it
   * again gives the same promise.
   */
  stop(): Promise<void>;
}

/** What may differ from a plain start. */
export interface StartOptions {
  /** Takes the log and the decision records; default: standard output. */
  readonly output?: LineStream;
  /** In milliseconds; default 10,000. */
  readonly drainMs?: number;
  /** How long idle connections may still bring a request after `stop`, in milliseconds; default 500. */
  readonly lingerMs?: number;
  /** For the header lines of a request, in milliseconds; default 15,000. */
  readonly headersTimeoutMs?: number;
  /** For a whole request, in milliseconds; default 30,000. */
  readonly requestTimeoutMs?: number;
}

/**
 * Starts the service on Node. Resolves once it listens.
 *
 * @throws {RulesError} when the rules cannot be used
 * @throws {SettingsError} when the keys file cannot be used
 * @throws {Error} of Node when the port cannot be had
 */
export async function startServer(settings: Settings, options: StartOptions = {}): Promise<RunningServer> {
  const { log, records } = pinoLines(settings.logLevel, options.output ?? standardOutput());
  const now = (): number => Date.now();
  const { drainMs = DRAIN_MS, lingerMs = LINGER_MS } = options;

  warnOfIgnored(log, settings);
  const unmet = unmetBy(settings);
  const rules = liveRules(await loadRules(settings.rulesDir, FACT_CATALOG, unmet), log, settings);
  const callersOf = (keys: readonly ApiKey[]): FindCaller =>
    callers([...settings.apiKeys, ...keys], (text) => hash('sha256', text, 'buffer'));
  const keysWatch = await openKeysFile(settings, {
    onSwap: (keys) => {
      findCaller = callersOf(keys);
      log.info('the API keys of the keys file were loaded anew', { callers: keys.map(({ name }) => name) });
    },
    onRefused: (error) => log.error('a changed keys file was refused, the old keys stay', { problem: error.message }),
  });
  let findCaller = callersOf(keysWatch?.keys ?? []);
  const rulesWatch = watchRules({
    dir: settings.rulesDir,
    catalog: FACT_CATALOG,
    unmet,
    current: rules.current(),
    onSwap: rules.swap,
    onRefused: rules.refuse,
  });
  const lists = await watchReputation(settings.ipListsDir, {
    now,
    onReload: () => log.info('address lists were loaded anew'),
    onStale: (list) => warnOfStaleList(log, list),
    onProblem: (problem) => log.error('the address lists cannot be read, the old ones go on', { ...problem }),
  });
  const geoWatch = await openGeo(settings, log, now());
  const { geo } = geoWatch;
  const metrics = prometheusMetrics({ rules: rules.current, reputation: () => lists.reputation, geo, now });
  const store = openStore(settings, log, metrics, now);
  const engine = assembleEngine({
    rules: rules.current,
    store,
    geo,
    lists: () => lists.reputation,
    issuers: settings.stepUpIssuers,
    secrets: secretsOf(settings),
    offersDeviceSessions: settings.deviceBoundSessions,
    now,
    random: randomFractions(),
    keys: watchedKeys({ log, metrics }),
  });

  let stopping = false;
  const { add: later, settled } = afterwork(log);
  const scope: RequestScope = { engine, later };
  const app = createApp({
    scopeOf: () => scope,
    findCaller: (credential) => findCaller(credential),
    readBody: readIncoming,
    trust: { trusted: settings.trustedProxies, declared: settings.clientIpHeader },
    gateway: settings,
    clientScripts: readClientScripts(log),
    metrics,
    records,
    log,
    elapsedMs: () => performance.now(),
    isStopping: () => stopping,
    storeWarning: null,
    rulesProblem: () => rulesWatch.problem()?.message ?? null,
  });

  const { headersTimeoutMs = HEADERS_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const answer = getRequestListener(app.fetch, {
    errorHandler: (error) => answerBrokenRequest(error, log, engine.newId()),
  });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      // Refused by `answerBrokenRequest`, with a problem.
      requireHostHeader: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(headersTimeoutMs, requestTimeoutMs) / LOOKS_WITHIN_TIMEOUT,
    },
    answer,
  );
  server.on('clientError', (error, socket) => void refuseUnparsed(error, socket, engine.newId()));
  // An `Expect` that a gateway copies from its client is no reason to leave the gateway without a decision.
  server.on('checkExpectation', answer);
  const closeAll = async (): Promise<void> => {
    keysWatch?.close();
    rulesWatch.close();
    lists.close();
    geoWatch.close();
    await store.close();
  };
  try {
    await listening(server, settings);
  } catch (error) {
    await closeAll();
    throw error;
  }
  // Keys are fetched ahead of the first proof; an issuer that is away delays nothing and is told by /readyz.
  void engine.verifier?.warm(now());
  const url = urlOf(server, settings.host);
  log.info('listening', {
    url,
    store: store.driver,
    rules: rules.current().ruleCount,
    revision: rules.current().revision,
  });

  const stopOnce = async (): Promise<void> => {
    log.info('stopping', { drain_ms: drainMs });
    await drained(server, settled, { drainMs, lingerMs });
    await closeAll();
    log.info('stopped');
  };
  let stopped: Promise<void> | null = null;
  return {
    url,
    reload: async () => {
      await Promise.all([keysWatch?.reload(), rulesWatch.reload(), lists.reload(), geoWatch.reload()]);
    },
    stop: () => {
      stopping = true;
      stopped ??= stopOnce();
      return stopped;
    },
  };
}

/** @throws {SettingsError} when there is a keys file that cannot be used */
async function openKeysFile(
  { apiKeys, apiKeysFile }: Settings,
  options: KeysWatchOptions,
): Promise<WatchedKeys | null> {
  if (apiKeysFile === null) return null;
  try {
    return await watchKeys(apiKeysFile, { ...options, reserved: apiKeys.map(({ name }) => name) });
  } catch (error) {
    if (!(error instanceof KeysFileError)) throw error;
    throw new SettingsError([{ code: 'invalid', name: 'API_KEYS_FILE', message: error.message }]);
  }
}

/** A source that cannot answer, or is old, stops nothing: it is told here once and by /readyz at any time. */
async function openGeo({ geoData, geoDir, geoMaxAgeDays }: Settings, log: Log, nowMs: number): Promise<LiveGeo> {
  const watch = await openLocalGeo({
    data: geoData,
    dir: geoDir,
    maxAgeDays: geoMaxAgeDays,
    onReload: () => log.info('geo data was loaded anew'),
    onProblem: (error) => log.error('built geo data cannot be used', { problem: error.message }),
  });
  const { problem } = watch.geo.status(nowMs);
  if (problem !== null) log.warn('geo data', { problem });
  return watch;
}

/** Where the build leaves the scripts of the browser, seen from the source and from the package alike. */
const CLIENT_SCRIPTS = resolve(import.meta.dirname, '../dist/browser');

/** A service that only gateways ask does without. */
function readClientScripts(log: Log): ClientScripts | null {
  try {
    return {
      plain: readFileSync(resolve(CLIENT_SCRIPTS, 'client.js'), 'utf8'),
      module: readFileSync(resolve(CLIENT_SCRIPTS, 'client.mjs'), 'utf8'),
    };
  } catch (error) {
    log.warn('there is no /client.js: npm run build:client makes it', { problem: stackOf(error) });
    return null;
  }
}

function openStore(settings: Settings, log: Log, metrics: Metrics, now: () => number): Store {
  if (settings.redisUrl === null) {
    log.warn('store: embedded memory, of this process and gone with it; set REDIS_URL to share and keep it');
    const { heap_size_limit: limit } = getHeapStatistics();
    const maxBytes = EMBEDDED_SHARE * Math.max(limit - YOUNG_BYTES, limit / 8);
    return memoryStore({ now, maxBytes, onEvict: metrics.storeEvicted });
  }
  const redis = redisStore({
    url: settings.redisUrl,
    onConnectionError: (problem) => log.warn('no connection to Redis', { problem }),
    onRebuild: () => log.warn('the Redis Cluster client was replaced'),
    random: randomFractions(),
  });
  return budgetedStore(redis, {
    timeoutMs: settings.storeTimeoutMs,
    breaker: storeBreaker({ elapsedMs: () => performance.now() }),
    onFailure: metrics.storeFailed,
  });
}

/** A request that is not even one: a host that is no host, a target that is no path. */
function answerBrokenRequest(error: unknown, log: Log, requestId: string): Response {
  const broken = error instanceof RequestError;
  if (!broken) log.error('a request ended in a fault', { request_id: requestId, error: stackOf(error) });
  const response = problemResponse(
    broken
      ? new ProblemError('invalid_request', `the request cannot be read: ${error.message}`)
      : new ProblemError('internal', 'the service failed; its log says why under this X-Request-ID'),
  );
  response.headers.set('X-Request-ID', requestId);
  response.headers.set('Cache-Control', 'no-store');
  return response;
}

function listening(server: Server, { port, host }: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Ends the server within `drainMs`: what still runs then is cut off. A gateway that keeps connections sends its next request
 * the moment the last one is answered. Closing what is idle at once would lose it, and a check is no request that may be
 * sent twice: so each connection gets one more answer, which says that it was the last.
 */
async function drained(
  server: Server,
  settled: () => Promise<void>,
  { drainMs, lingerMs }: { readonly drainMs: number; readonly lingerMs: number },
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false;
  });
  // That of `http.Server` closes idle connections as well.
  NetServer.prototype.close.call(server);
  let sweep: NodeJS.Timeout | undefined;
  const linger = setTimeout(
    () => {
      server.close();
      sweep = setInterval(() => server.closeIdleConnections(), DRAIN_STEP_MS);
    },
    Math.min(lingerMs, drainMs),
  );
  let cutOff: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    cutOff = setTimeout(resolve, drainMs);
  });
  await Promise.race([closed.then(settled), deadline]);
  clearTimeout(linger);
  clearInterval(sweep);
  clearTimeout(cutOff);
  server.close();
  server.closeAllConnections();
}

/** A line for people, beside the log: standard error, so that standard output stays JSON lines. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What to do where the address cannot be listened on; null for any other error. */
function listenFault(error: unknown): string | null {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'listen' && 'code' in error)) return null;
  const where = 'address' in error && 'port' in error ? ` on ${error.address}:${error.port}` : '';
  const why = error.code === 'EADDRINUSE' ? 'another process listens there' : 'the system refuses it';
  return `cannot listen${where}: ${why} (${error.code}). Set PORT (0 takes a free one) or HOST.`;
}

/** What a newcomer needs: where it listens, the key that was made, a request to paste. */
function greeting(url: string, settings: Settings): string {
  const key = settings.apiKeys.find((candidate) => candidate.kind === 'secret');
  const secret =
    key === undefined ? '<api key>' : settings.made.includes('API_KEYS') ? key.secret : `<key of ${key.name}>`;
  const body = { subject: 'user-123', action: 'login', ip: '81.2.69.160' };
  return [
    `Stepgate listens on ${url}`,
    settings.redisUrl === null
      ? 'Store: embedded memory, gone with this process (set REDIS_URL to keep and share it)'
      : 'Store: Redis',
    ...(settings.made.length > 0 ? [`Made for this run only: ${settings.made.join(', ')}`] : []),
    ...(settings.redisUrl !== null && settings.made.includes('PRIVACY_KEY')
      ? ['Set PRIVACY_KEY, or the next run finds nothing in Redis of what this one learns']
      : []),
    '',
    `curl -s ${url}/v1/risk-check \\`,
    `  -H 'Authorization: Bearer ${secret}' -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify(body)}'`,
    '',
  ].join('\n');
}

/**
 * Runs the service as this process: settings from the environment, SIGTERM and SIGINT stop it, a second one ends it at
 * once, SIGHUP reloads. Exit codes: 0 stopped, 1 ended by a second signal or a fault at start, 2 settings or rules that
 * cannot be used.
 */
export async function serve(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  let settings: Settings;
  let server: RunningServer;
  try {
    settings = loadSettings(environment, () => randomBytes(36).toString('base64url'));
    server = await startServer(settings);
  } catch (error) {
    const isConfiguration = error instanceof SettingsError || error instanceof RulesError;
    say(isConfiguration ? error.message : (listenFault(error) ?? stackOf(error)));
    process.exitCode = isConfiguration ? 2 : 1;
    return;
  }
  if (!settings.production) say(greeting(server.url, settings));

  let told = false;
  const stop = (): void => {
    if (told) process.exit(1);
    told = true;
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        say(stackOf(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => {
    server.reload().catch((error: unknown) => say(stackOf(error)));
  });
}

if (import.meta.main) await serve();
