import { z } from 'zod';
import { problemDocument } from '../../../src/contract/problem.ts';
import { pathsOf } from './origins.ts';
import type { HostileRequest } from './requests.ts';
import { CANARY, OPEN_ACTION, OPEN_PREFIX, OPEN_WORD, SECRETS } from './stage.ts';
import type { Exchange, WireAnswer } from './wire.ts';

/** What an answer to anything at all must never be; empty where all is well. */
export function faultsOf(request: HostileRequest, exchange: Exchange): readonly string[] {
  const answers = exchange.answers.filter(({ status }) => status >= 200);
  const faults: string[] = [];
  if (exchange.end === 'stuck') faults.push('the connection was held after its other end had left');
  if (exchange.rest !== '') faults.push(`what came is no answer: ${JSON.stringify(exchange.rest.slice(0, 200))}`);
  if (request.isWhole && answers.length !== 1) faults.push(`${answers.length} answers to one request`);
  for (const answer of answers) faults.push(...faultsOfAnswer(answer));
  const [first] = answers;
  if (first !== undefined && request.isWhole) {
    faults.push(...requestIdFaults(request, first));
    if (isHook(request)) faults.push(...hookFaults(request, first));
    else if (isAllow(first) && !askedForAllow(request)) faults.push('an allow that nobody asked for');
  }
  if (request.kind === 'shape' && answers.some(isAllow)) faults.push('an allow for what is no sound request');
  return faults;
}

/** What callers choose to be told again: names of actions, places, kinds of resources and free facts, no ids of persons. */
const TOLD_NAMES: ReadonlySet<string> = new Set([
  'action',
  'request_id',
  'resource.type',
  'geo.city',
  'geo.region',
  'erased',
]);

/** What must not stand in a log, whatever was sent. */
export function leaksIn(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const told = line.startsWith('{')
      ? JSON.stringify(JSON.parse(line, (name, value: unknown) => (TOLD_NAMES.has(name) ? undefined : value)))
      : line;
    const leaked = [...Object.values(SECRETS), CANARY].filter((secret) => told.includes(secret));
    return leaked.map((secret) => `${secret} in the log: ${told}`);
  });
}

/** Lines by which the service says that it has failed itself. */
export function failuresIn(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => /"level":[56]0/.test(line));
}

const readiness = z.object({ ready: z.boolean() });
/** What clients of a gateway get instead of a problem document. */
const refusal = z.strictObject({ error: z.string(), request_id: z.string() });

function faultsOfAnswer({ status, headers, body }: WireAnswer): string[] {
  const faults: string[] = [];
  const isReadiness = status === 503 && readiness.safeParse(jsonOf(body)).success;
  if (status >= 500 && !isReadiness) faults.push(`status ${status}: ${body.slice(0, 300)}`);
  const whole = [...[...headers].flat(2), body].join('\n');
  for (const secret of Object.values(SECRETS)) if (whole.includes(secret)) faults.push(`${secret} in an answer`);
  const [type = ''] = headers.get('content-type') ?? [];
  const isRefusal = (status === 401 || status === 403) && refusal.safeParse(jsonOf(body)).success;
  const hasProblem = body !== '' && status >= 400 && !headers.has('x-stepgate-decision') && !isReadiness && !isRefusal;
  if (hasProblem) {
    const problem = problemDocument.safeParse(jsonOf(body));
    if (!type.startsWith('application/problem+json')) faults.push(`a ${status} of type ${type}`);
    if (!problem.success) faults.push(`a ${status} that is no problem document: ${body.slice(0, 200)}`);
    else if (problem.data.status !== status) faults.push(`a ${status} that says ${problem.data.status}`);
  }
  const ids = headers.get('x-request-id') ?? [];
  if (ids.length !== 1 || !/^[!-~](?:[ -~]{0,126}[!-~])?$/.test(ids[0] ?? ''))
    faults.push(`X-Request-ID ${JSON.stringify(ids)}`);
  for (const name of headers.keys())
    if (!/^[a-z0-9-]+$/.test(name) || name === 'x-injected') faults.push(`header ${name}`);
  return faults;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function requestIdFaults({ headers }: HostileRequest, answer: WireAnswer): string[] {
  const sent = headers.filter(([name]) => name.toLowerCase() === 'x-request-id').map(([, value]) => value);
  const [said = ''] = answer.headers.get('x-request-id') ?? [];
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/.test(said)) return [];
  // Several lines of one header are one value to the server.
  return said === sent.join(', ').trim() ? [] : [`X-Request-ID ${said}, sent ${JSON.stringify(sent)}`];
}

function isHook({ kind, target }: HostileRequest): boolean {
  // A letter behind the prefix makes it another path.
  if (kind === 'envoy') return !/^\/ext-authz[\w-]/.test(target);
  return kind === 'gateway' && /^\/forward-auth(?:\?|$)/.test(target);
}

function hookFaults(request: HostileRequest, answer: WireAnswer): string[] {
  const { status, headers } = answer;
  // What Node's parser refuses never comes to the hook.
  if (!headers.has('x-stepgate-decision'))
    return status === 400 || status === 431 ? [] : [`a hook answered ${status} without a decision`];
  if (![200, 302, 401, 403].includes(status)) return [`a hook answered ${status}`];
  const decision = headers.get('x-stepgate-decision')?.[0];
  if (status === 200 && decision !== 'allow') return [`a hook answered 200 with the decision ${decision}`];
  if (status !== 200 || mayPass(request)) return [];
  return ['a hook let a request in that nobody let in'];
}

/** Judged without the code under test, by what the usual origins make of a path. */
function mayPass(request: HostileRequest): boolean {
  const valuesOf = (name: string) =>
    request.headers
      .filter(([given]) => given.toLowerCase() === name)
      .map(([, value]) => value.trim())
      .filter((value) => value !== '');
  const isKnown = valuesOf('x-stepgate-key').every((key) => key === SECRETS.apiKey);
  const isEnvoy = request.kind === 'envoy';
  const methods = isEnvoy ? [request.method] : valuesOf('x-forwarded-method');
  const [target = '', ...more] = isEnvoy ? [request.target.slice('/ext-authz'.length)] : valuesOf('x-forwarded-uri');
  const [method = '', ...others] = methods.map((name) => name.trim().toUpperCase());
  if (!isKnown || more.length > 0 || others.length > 0) return false;
  const isPreflight =
    valuesOf('origin').some((value) => value !== '') &&
    valuesOf('access-control-request-method').some((value) => value !== '');
  if (method === 'OPTIONS' && isPreflight) return true;
  return (method === 'GET' || method === 'HEAD') && [...pathsOf(target)].every(isUnderOpen);
}

function isUnderOpen(path: string): boolean {
  return path === OPEN_PREFIX || path.startsWith(`${OPEN_PREFIX}/`);
}

function isAllow({ status, body }: WireAnswer): boolean {
  if (status !== 200) return false;
  const answer = decisionIn.safeParse(jsonOf(body));
  if (!answer.success) return false;
  const { decision, evaluations = [] } = answer.data;
  return decision === 'allow' || decision === true || evaluations.some((one) => one.decision === true);
}

const decisionIn = z.object({
  decision: z.union([z.string(), z.boolean()]).optional(),
  evaluations: z.array(z.object({ decision: z.boolean() })).optional(),
});

/** Whether the words of the one permission stand in the body at all: without them there is nothing that could be allowed. */
function askedForAllow({ body }: HostileRequest): boolean {
  const text = body?.toString() ?? '';
  return text.includes(OPEN_ACTION) && text.includes(OPEN_WORD) && jsonOf(text.replace(/^\ufeff/, '')) !== undefined;
}
