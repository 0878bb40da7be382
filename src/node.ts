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
  brokerOf,
  gatewayOf,
  liveRules,
  pagesOf,
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
import { connectionLog } from './node/connection-log.ts';
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
/** How long the headers, and a whole request, may take to arrive: a slow sender holds a connection no longer. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How many times within the shorter of the two timeouts late requests are looked for. */
const LOOKS_WITHIN_TIMEOUT = 8;
/** Limit for all headers of a request, in bytes. */
const MAX_HEADER_BYTES = 64 * 1024;
/** How long running requests may take after a stop signal. */
const DRAIN_MS = 10_000;
/** Share of the heap (`--max-old-space-size`) that the embedded store may fill. */
const EMBEDDED_SHARE = 0.25;
/** Part of V8's heap limit for young objects; the store's objects grow old. */
const YOUNG_BYTES = 192 * 1024 * 1024;
/** How long a connection that is idle at a stop signal may still bring a request. */
const LINGER_MS = 500;
/** How often idle connections are closed after that. */
const DRAIN_STEP_MS = 50;

/** A server that listens. */
export interface RunningServer {
  /** Such as `http://127.0.0.1:8787`, with the actual port. */
  readonly url: string;
  /** Reloads keys file, rules, lists and geo data at once. */
  reload(): Promise<void>;
  /**
   * Stops: readiness turns red, no connection is accepted, open ones close with their next answer, idle ones are closed, running
   * requests and what they teach get the drain time to end, the store is closed last. A second call returns the same promise.
   */
  stop(): Promise<void>;
}

/** For tests and other entries. */
export interface StartOptions {
  /** Takes the log and the decision records; default: standard output. */
  readonly output?: LineStream;
  /** In milliseconds; default 10,000. */
  readonly drainMs?: number;
  /** How long idle connections stay open after `stop`, in milliseconds; default 500. */
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
 * @throws {Error} of Node when it cannot listen on the port
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
      log.info('the keys file was reloaded', { callers: keys.map(({ name }) => name) });
    },
    onRefused: (error) =>
      log.error('a changed keys file was refused; the previous keys stay active', { problem: error.message }),
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
    onReload: () => log.info('address lists were reloaded'),
    onStale: (list) => warnOfStaleList(log, list),
    onProblem: (problem) =>
      log.error('the address lists cannot be read; the previous lists stay active', { ...problem }),
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
  const app = createApp(
    {
      scopeOf: () => scope,
      findCaller: (credential) => findCaller(credential),
      readBody: readIncoming,
      trust: { trusted: settings.trustedProxies, declared: settings.clientIpHeader },
      gateway: gatewayOf(settings),
      pages: pagesOf(settings),
      clientScripts: readClientScripts(log),
      metrics,
      records,
      log,
      elapsedMs: () => performance.now(),
      isStopping: () => stopping,
      storeWarning: null,
      rulesProblem: () => rulesWatch.problem()?.message ?? null,
    },
    brokerOf(settings),
  );

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
  // A gateway that copies its client's `Expect` still needs a decision.
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
  // Keys are fetched before the first proof. An unavailable issuer delays nothing; /readyz names it.
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

/** An unusable or old source does not stop the start: it is logged once, and /readyz names it. */
async function openGeo({ geoData, geoDir, geoMaxAgeDays }: Settings, log: Log, nowMs: number): Promise<LiveGeo> {
  const watch = await openLocalGeo({
    data: geoData,
    dir: geoDir,
    maxAgeDays: geoMaxAgeDays,
    onReload: () => log.info('geo data was reloaded'),
    onProblem: (error) => log.error('built geo data cannot be used', { problem: error.message }),
  });
  const { problem } = watch.geo.status(nowMs);
  if (problem !== null) log.warn('geo data', { problem });
  return watch;
}

/** Output of `build:client`; the same path from the source and from the package. */
const CLIENT_SCRIPTS = resolve(import.meta.dirname, '../dist/browser');

/** Null if they are not built: gateways do not need them. */
function readClientScripts(log: Log): ClientScripts | null {
  try {
    return {
      plain: readFileSync(resolve(CLIENT_SCRIPTS, 'client.js'), 'utf8'),
      module: readFileSync(resolve(CLIENT_SCRIPTS, 'client.mjs'), 'utf8'),
    };
  } catch (error) {
    log.warn('/client.js is not built; run npm run build:client', { problem: stackOf(error) });
    return null;
  }
}

function openStore(settings: Settings, log: Log, metrics: Metrics, now: () => number): Store {
  if (settings.redisUrl === null) {
    const message = 'store: embedded memory, lost when this process ends; set REDIS_URL to share and keep it';
    if (settings.production) log.warn(message);
    else log.info(message);
    const { heap_size_limit: limit } = getHeapStatistics();
    const maxBytes = EMBEDDED_SHARE * Math.max(limit - YOUNG_BYTES, limit / 8);
    return memoryStore({ now, maxBytes, onEvict: metrics.storeEvicted });
  }
  const connections = connectionLog(log, () => performance.now());
  const redis = redisStore({
    url: settings.redisUrl,
    onConnectionError: connections.failed,
    onConnected: connections.connected,
    onRebuild: () => log.warn('the Redis Cluster client was replaced'),
    random: randomFractions(),
  });
  return budgetedStore(redis, {
    timeoutMs: settings.storeTimeoutMs,
    breaker: storeBreaker({ elapsedMs: () => performance.now() }),
    onFailure: metrics.storeFailed,
  });
}

/** Answers a request with an invalid host or target. */
function answerBrokenRequest(error: unknown, log: Log, requestId: string): Response {
  const broken = error instanceof RequestError;
  if (!broken) log.error('a request failed', { request_id: requestId, error: stackOf(error) });
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
 * Stops the server within `drainMs`, then cuts off what still runs. A gateway that keeps connections sends its next request as
 * soon as the last one is answered. Closing idle connections at once would lose it, and a check must not be sent twice: so each
 * connection gets one more answer, with `Connection: close`.
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
  // `http.Server.close` would also close idle connections.
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

/** Prints a line for people to standard error; standard output has JSON lines only. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Explains an error of `listen`; null for any other error. */
function listenFault(error: unknown): string | null {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'listen' && 'code' in error)) return null;
  const where = 'address' in error && 'port' in error ? ` on ${error.address}:${error.port}` : '';
  const why = error.code === 'EADDRINUSE' ? 'another process listens there' : 'the system refuses it';
  return `cannot listen${where}: ${why} (${error.code}). Set PORT (0 takes a free one) or HOST.`;
}

/** Standard output that holds lines back until `release`, so that the greeting comes first. */
function heldOutput(): LineStream & { readonly release: () => void } {
  const output = standardOutput();
  let held: string[] | null = [];
  return {
    write: (line) => {
      if (held === null) output.write(line);
      else held.push(line);
    },
    release: () => {
      const lines = held ?? [];
      held = null;
      for (const line of lines) output.write(line);
    },
  };
}

/** What a newcomer needs: where it listens, the generated key, a request to paste. */
function greeting(url: string, settings: Settings, isQuiet: boolean): string {
  const key = settings.apiKeys.find((candidate) => candidate.kind === 'secret');
  const secret =
    key === undefined ? '<api key>' : settings.made.includes('API_KEYS') ? key.secret : `<key of ${key.name}>`;
  const body = { subject: 'user-123', action: 'login', ip: '81.2.69.160' };
  return [
    `Stepgate listens on ${url}`,
    settings.redisUrl === null
      ? 'Store: embedded memory, lost when this process ends (set REDIS_URL to keep and share it)'
      : 'Store: Redis',
    ...(settings.made.length > 0 ? [`Generated for this run only: ${settings.made.join(', ')}`] : []),
    ...(isQuiet ? ['Log: warnings and errors; LOG_LEVEL=info shows each decision'] : []),
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
 * once, SIGHUP reloads. In development the greeting precedes the log, which on a terminal has warnings and errors only
 * unless LOG_LEVEL is set. Exit codes: 0 stopped, 1 ended by a second signal or a fault at start, 2 settings or rules that
 * cannot be used.
 */
export async function serve(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  let settings: Settings;
  let server: RunningServer;
  let isQuiet: boolean;
  const output = heldOutput();
  try {
    settings = loadSettings(environment, () => randomBytes(36).toString('base64url'));
    if (settings.production) output.release();
    isQuiet = !settings.production && process.stdout.isTTY === true && (environment.LOG_LEVEL ?? '') === '';
    server = await startServer(isQuiet ? { ...settings, logLevel: 'warn' } : settings, { output });
  } catch (error) {
    output.release();
    const isConfiguration = error instanceof SettingsError || error instanceof RulesError;
    say(isConfiguration ? error.message : (listenFault(error) ?? stackOf(error)));
    process.exitCode = isConfiguration ? 2 : 1;
    return;
  }
  if (!settings.production) say(greeting(server.url, settings, isQuiet));
  output.release();

  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
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
