import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { parseAddress } from '../net/ip.ts';
import { CliError, orCliError } from './fault.ts';
import { type GuardedRoute, type OddRequest, oddRequests, plainRequest } from './odd-requests.ts';
import { JSON_FLAG } from './options.ts';
import { print, table } from './output.ts';
import { exchange, type Peer, type RawAnswer, type RawRequest } from './raw-http.ts';

/** Where a host other than loopback serves the nonce by which its owner agrees. */
const NONCE_PATH = '/.well-known/stepgate-probe';
const NONCE = /^[0-9a-f]{32}$/;

/** The default rules treat a `User-Agent` of our own as a bot and refuse everything. */
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
/** Marks the requests in logs. Not `X-Stepgate-*`, which gateways remove. */
const MARK = ['Sent-By', 'stepgate-probe'] as const;

const MAX_ROUTES = 5;
const REQUEST_TIMEOUT_MS = 5000;
const TOTAL_TIMEOUT_MS = 120_000;

export function addProbe(program: Command): void {
  program
    .command('probe')
    .description(
      'send odd requests to your own application through its gateway, and list those that reach a guarded route',
    )
    .argument('<url>', 'address of the gateway, such as http://127.0.0.1:8080', gatewayUrl)
    .requiredOption('--route <route...>', "guarded route, such as 'POST /api/transfers'; up to 5", collectRoute)
    .option('--open <path>', 'public page, to check that not everything is refused', openPath, '/')
    .option('--cookie-name <name>', 'name of the session cookie', cookieName, 'session')
    .option('--nonce <nonce>', `for hosts other than loopback: the nonce served at ${NONCE_PATH}`, nonceOf)
    .option(...JSON_FLAG)
    .addHelpText(
      'after',
      '\nSTEPGATE_PROBE_SESSION: session token of a test account without a step-up.\n' +
        'STEPGATE_PROBE_STEPPED_UP: session token of another test account that has stepped up.\n' +
        'Without them, invalid tokens are sent, which show only some of what an application misreads.\n' +
        'Exit code 0: nothing reached a guarded route. 1: something did. 2: failed or inconclusive.',
    )
    .action(probe);
}

interface Options {
  readonly route: readonly GuardedRoute[];
  readonly open: string;
  readonly cookieName: string;
  readonly nonce?: string;
  readonly json: boolean;
}

/** Result of a request: `unclear` if the answer may be from the gateway or the application. */
type Outcome = 'refused' | 'reached' | 'unclear';

interface Finding {
  readonly route: string;
  readonly request: string;
  readonly outcome: Outcome;
  /** Null if the connection was closed without an answer. */
  readonly status: number | null;
}

async function probe(url: URL, { route: routes, open, cookieName, nonce, json }: Options): Promise<void> {
  const peer = await peerOf(url);
  await orCliError(
    async () => {
      if (!isLoopback(peer.address)) await expectNonce(peer, url, nonce ?? null);
      const findings = await findingsOf(peer, routes, open, cookieName);
      const count = (wanted: Outcome): number => findings.filter(({ outcome }) => outcome === wanted).length;
      const counts = { refused: count('refused'), reached: count('reached'), unclear: count('unclear') };
      print(json, { ok: counts.reached === 0, ...counts, findings }, () => report(findings, counts));
      if (counts.reached > 0) process.exitCode = 1;
    },
    (error) => error instanceof CliError || 'code' in error,
  );
}

function report(findings: readonly Finding[], counts: { readonly [outcome in Outcome]: number }): string {
  const reported = findings.filter(({ outcome }) => outcome !== 'refused');
  return [
    ...(reported.length === 0
      ? []
      : [
          table(
            reported.map(({ outcome, status, route, request }) => [
              outcome,
              String(status ?? 'closed'),
              route,
              request,
            ]),
          ),
        ]),
    `${findings.length} requests: ${counts.refused} refused, ${counts.reached} reached, ${counts.unclear} unclear`,
    ...(counts.unclear === 0
      ? []
      : [
          `Unclear answers may be the gateway’s or the application’s: look for /stepgate-probe and the header ${MARK.join(': ')} in its log.`,
        ]),
  ].join('\n');
}

async function findingsOf(
  peer: Peer,
  routes: readonly GuardedRoute[],
  open: string,
  cookieName: string,
): Promise<Finding[]> {
  const deadline = performance.now() + TOTAL_TIMEOUT_MS;
  const sent = async (request: RawRequest): Promise<RawAnswer | null> => {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw new CliError(`not finished within ${TOTAL_TIMEOUT_MS / 1000} s; probe fewer routes at once`);
    const headers = [['User-Agent', BROWSER], ['Accept', '*/*'], MARK, ...request.headers] as const;
    return exchange(peer, { ...request, headers }, { timeoutMs: Math.min(REQUEST_TIMEOUT_MS, leftMs) });
  };
  const means = {
    cookieName,
    session: process.env.STEPGATE_PROBE_SESSION?.trim() || 'stepgate-probe-session',
    steppedUp: process.env.STEPGATE_PROBE_STEPPED_UP?.trim() || 'stepgate-probe-stepped-up',
    nowhere: `/stepgate-probe-${randomBytes(8).toString('hex')}`,
  };
  const openRequest = plainRequest({ method: 'GET', path: open });
  expectOpen(open, await sent(openRequest));
  const findings: Finding[] = [];
  for (const route of routes) {
    const plain: OddRequest = {
      name: 'the route itself, without a credential',
      request: plainRequest(route),
      beside: null,
    };
    for (const { name, request, beside } of [plain, ...oddRequests(route, means)]) {
      const answer = await sent(request);
      const outcome = request === plain.request ? plainOutcomeOf(answer) : outcomeOf(answer);
      const isUsual = outcome !== 'refused' && beside !== null && isSame(answer, await sent(beside));
      findings.push({
        route: `${route.method} ${route.path}`,
        request: name,
        outcome: isUsual ? 'refused' : outcome,
        status: answer?.status ?? null,
      });
    }
  }
  // After so many requests the gateway may refuse everything.
  if (findings.every(({ outcome }) => outcome !== 'reached')) expectOpen(open, await sent(openRequest));
  return findings;
}

/** @throws {CliError} if the public page is refused, as then a refusal says nothing about a guarded route */
function expectOpen(open: string, answer: RawAnswer | null): void {
  if (answer !== null && outcomeOf(answer) !== 'refused' && answer.status < 500) return;
  throw new CliError(
    `inconclusive: GET ${open} was refused (${answer?.status ?? 'closed'}), so a refused route proves nothing. ` +
      'Name a public page with --open PATH, or find out what refuses everything',
  );
}

/** A gateway that guards a route refuses its plain request. Any other answer, even 404, means that the route is let through. */
function plainOutcomeOf(answer: RawAnswer | null): Outcome {
  if (answer === null) return 'unclear';
  return outcomeOf(answer) === 'refused' ? 'refused' : 'reached';
}

/** Refusals of gateway and Stepgate. A challenge may be a redirect, marked by a header. */
function outcomeOf(answer: RawAnswer | null): Outcome {
  if (answer === null) return 'refused';
  const { status, headers } = answer;
  if (['step-up', 'deny'].includes(headers.get('x-stepgate-decision') ?? '')) return 'refused';
  if (status === 401 || status === 403) return 'refused';
  // What either of them may answer to what it cannot read or does not have.
  if ([0, 400, 404, 405, 408, 411, 413, 414, 417, 421, 426, 431].includes(status) || status > 500) return 'unclear';
  return 'reached';
}

/** Nothing was made of what is odd about a request: the same without it gets the same answer. */
function isSame(answer: RawAnswer | null, other: RawAnswer | null): boolean {
  return answer?.status === other?.status && answer?.headers.get('location') === other?.headers.get('location');
}

/** @throws {CliError} unless the host serves the nonce */
async function expectNonce(peer: Peer, url: URL, nonce: string | null): Promise<void> {
  const where = new URL(NONCE_PATH, url).href;
  if (nonce === null) {
    const fresh = randomBytes(16).toString('hex');
    throw new CliError(
      `${url.hostname} is not this machine. To prove that it is yours, let it serve the text\n  ${fresh}\n` +
        `at ${where}, and run the command again with --nonce ${fresh}`,
    );
  }
  const request = { method: 'GET', target: NONCE_PATH, headers: [], body: '' };
  const answer = await exchange(peer, request, { timeoutMs: REQUEST_TIMEOUT_MS, withBody: true });
  // A chunked body has its lengths in the text.
  const lines = (answer?.body ?? '').split(/\r?\n/).map((line) => line.trim());
  if (answer?.status === 200 && lines.includes(nonce)) return;
  throw new CliError(
    `${where} does not serve the nonce ${nonce} (status ${answer?.status ?? 'none'}); no other request was sent`,
  );
}

async function peerOf(url: URL): Promise<Peer> {
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const { address } = await orCliError(
    () => (isIP(name) ? { address: name } : lookup(name)),
    (error) => 'code' in error,
  );
  const isTls = url.protocol === 'https:';
  return { address, port: Number(url.port || (isTls ? 443 : 80)), isTls, host: url.host };
}

function isLoopback(address: string): boolean {
  return parseAddress(address)?.kind === 'loopback';
}

function gatewayUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidArgumentError('must be an http or https address, such as http://127.0.0.1:8080.');
  }
  if (url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new InvalidArgumentError('must name scheme, host and port only; paths go into --route.');
  }
  return url;
}

function collectRoute(text: string, before: readonly GuardedRoute[] = []): readonly GuardedRoute[] {
  const [, method = '', path = ''] = /^([A-Z]{1,20}) (\/[!-~]*)$/.exec(text) ?? [];
  if (path === '')
    throw new InvalidArgumentError("must be a method and a path without placeholders, such as 'POST /api/transfers'.");
  if (/[{}*]/.test(path)) {
    throw new InvalidArgumentError("must be a real path, such as 'DELETE /account/7': {id} and * are not allowed.");
  }
  if (before.length >= MAX_ROUTES) throw new InvalidArgumentError(`no more than ${MAX_ROUTES} routes at once.`);
  return [...before, { method, path }];
}

function openPath(text: string): string {
  if (/^\/[!-~]*$/.test(text)) return text;
  throw new InvalidArgumentError('must be a path, such as /.');
}

function cookieName(text: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(text)) return text;
  throw new InvalidArgumentError('must be the name of a cookie.');
}

function nonceOf(text: string): string {
  if (NONCE.test(text)) return text;
  throw new InvalidArgumentError('must be the 32 characters that the command printed.');
}
