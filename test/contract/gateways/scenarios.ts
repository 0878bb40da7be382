import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { z } from 'zod';
import type { Shown } from '../../../scripts/gateways-table.ts';
import { type ClientAnswer, type ClientRequest, HOST, WEBSOCKET_WORD } from '../../support/gateways/client.ts';
import { originView } from '../../support/gateways/origins.ts';
import { STEP_UP_URL, type Stage } from '../../support/gateways/stage.ts';
import { type Arrival, ELSEWHERE } from '../../support/gateways/upstream.ts';

const expectation = z.strictObject({
  /**
   * `redirect` is a step-up told to a browser, `invalid-session` a session that was read and refused, `unavailable` a refusal for
   * want of an answer.
   */
  decision: z.enum(['allow', 'step-up', 'redirect', 'invalid-session', 'deny', 'unavailable']),
  action: z.string().optional(),
  subject: z.string().optional(),
  /** One of the reasons. */
  reason: z.string().optional(),
  max_age: z.number().optional(),
  /** Why the proof was not taken, as the challenge says it. */
  error: z.string().optional(),
  return_to: z.string().optional(),
  device_cookie: z.boolean().optional(),
  /** Status of the application, 200 where it is not said. */
  status: z.number().optional(),
  /** The request may also be refused with 400, 403 or 404. */
  or_refused: z.boolean().optional(),
  /** What a gateway that parses the address may ask about and pass on instead: it reads as the engine and the application do. */
  or_parsed: z.strictObject({ target: z.string(), host: z.string(), action: z.string() }).optional(),
});
export type Expectation = z.output<typeof expectation>;

const step = z.strictObject({
  request: z.strictObject({
    method: z.string().default('GET'),
    target: z.union([z.string(), z.array(z.string())]),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
    body: z.string().default(''),
    from: z.string().default('127.0.0.2'),
    websocket: z.boolean().default(false),
  }),
  expect: expectation,
});

const scenario = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  title: z.string(),
  /** Where users of gateways met it. */
  see: z.array(z.url()).default([]),
  /** Shows only what a gateway itself does. */
  gateway_only: z.boolean().default(false),
  /** An attack on what some origin reads: played in front of one of each kind too. */
  origins: z.boolean().default(false),
  /** In what state the engine is meanwhile. */
  engine: z.enum(['running', 'stopped', 'slow', 'other-key', 'impostor']).default('running'),
  steps: z.array(step).min(1),
});
export type Scenario = z.output<typeof scenario>;

/** All scenarios, in the order of the matrix. */
export const SCENARIOS: readonly Scenario[] = z
  .strictObject({ scenarios: z.array(scenario) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'scenarios.json'), 'utf8'))).scenarios;

/** One way in which requests reach the engine. */
export interface Gateway {
  /** Name of the origin behind it that answers what it makes of a request; absent where the stage's application stands there. */
  readonly origin?: string;
  send(request: ClientRequest): Promise<ClientAnswer & { readonly arrivals: readonly Arrival[] }>;
}

/** Whether requests go through to an application, so that what arrives there can be looked at. */
export function standsBetween(how: Shown): boolean {
  return how === 'run';
}

/** Headers of the engine that no client gets to see: they would tell an attacker how far off he is. */
const NOT_FOR_CLIENTS = [
  'reasons',
  'error',
  'score',
  'level',
  'subject',
  'action',
  'check',
  'degraded',
  'location',
].map((name) => `x-stepgate-${name}`);

/** Runs the steps of a scenario one after the other, each against its expectation. */
export async function play(stage: Stage, gateway: Gateway, how: Shown, { engine, steps }: Scenario): Promise<void> {
  const fill = tokenFiller(stage);
  await enter(stage, engine);
  try {
    for (const { request, expect: expected } of steps) {
      const headers: [string, string][] = [];
      for (const [name, values] of Object.entries(request.headers)) {
        for (const value of [values].flat()) headers.push([name, await fill(value)]);
      }
      const body = request.body.replace('{large-body}', LARGE_BODY);
      for (const target of [request.target].flat()) {
        const sent: ClientRequest = { ...request, target, headers, body };
        await expectAnswer(stage, gateway, how, sent, expected);
      }
    }
  } finally {
    await leave(stage, engine);
  }
  if (engine === 'running') return;
  const after: ClientRequest = {
    method: 'GET',
    target: '/public/after',
    headers: [],
    body: '',
    from: '127.0.0.2',
    websocket: false,
  };
  await expectAnswer(stage, gateway, how, after, { decision: 'allow', action: 'public' });
}

async function enter(stage: Stage, state: Scenario['engine']): Promise<void> {
  if (state === 'slow') stage.freezeEngine();
  if (state === 'impostor') await stage.impersonateEngine();
  if (state === 'stopped' || state === 'other-key') await stage.killEngine();
  if (state === 'other-key') await stage.startEngine('a-key-of-somebody-else');
}

async function leave(stage: Stage, state: Scenario['engine']): Promise<void> {
  if (state === 'slow') stage.thawEngine();
  if (state === 'other-key') await stage.killEngine();
  if (state === 'stopped' || state === 'other-key' || state === 'impostor') await stage.startEngine();
}

/**
 * Fills `{session:ann}`, `{octal-session:ann}` (as Python's `http.cookies` would quote it), `{expired-session:ann}`, `{proof:ann}`,
 * `{large-session:ann}` and `{cookies}`; the same token for the same words.
 */
function tokenFiller(stage: Stage): (text: string) => Promise<string> {
  const tokens = new Map<string, Promise<string>>();
  const tokenOf = async (kind: string, subject: string): Promise<string> => {
    if (kind === 'proof') return stage.token(subject, { su: true });
    if (kind === 'expired-session') return stage.token(subject, { ageS: 7200 });
    if (kind === 'octal-session') return (await stage.token(subject)).replace(/^e/, '\\145');
    return stage.token(subject, { padding: kind === 'large-session' ? 3000 : 0 });
  };
  return async (text) => {
    let filled = text.replace('{cookies}', COOKIES);
    for (const [words, kind = '', subject = ''] of text.matchAll(/\{([a-z]+-session|session|proof):([a-z]+)\}/g)) {
      const token = tokens.get(words) ?? tokenOf(kind, subject);
      tokens.set(words, token);
      filled = filled.replace(words, await token);
    }
    return filled;
  };
}

const LARGE_BODY = 'x'.repeat(200_000);
/** 15 kB. */
const COOKIES = Array.from({ length: 50 }, (_, i) => `c${i}=${'x'.repeat(295)}`).join('; ');

/** Sends the request and compares all that client and application get to see. */
async function expectAnswer(
  stage: Stage,
  gateway: Gateway,
  how: Shown,
  sent: ClientRequest,
  expected: Expectation,
): Promise<void> {
  const answer = await gateway.send(sent);
  const label = [gateway.origin, sent.method, sent.target].filter((word) => word !== undefined).join(' ');
  if (standsBetween(how)) {
    for (const name of NOT_FOR_CLIENTS) expect(answer.headers.has(name), `${label}: ${name}`).toBe(false);
  }
  // Stricter than what is expected is right too, by the gateway itself or by a path that the engine cannot read.
  const refused = expected.or_refused === true && [400, 403, 404].includes(answer.status);
  const [arrival] = answer.arrivals;
  const parsed = expected.or_parsed;
  if (parsed !== undefined && arrival !== undefined && isParsed(arrival, sent, parsed)) {
    expect(answer.status, label).toBe(200);
    expect(arrival.headers.get('x-stepgate-action'), label).toEqual([parsed.action]);
    return;
  }
  if (parsed !== undefined && gateway.origin !== undefined && answer.status === 200) {
    expect(originView.parse(JSON.parse(answer.body)).target, `${label}: as it was judged`).toBe(parsed.target);
    expect(sent.target, label).not.toBe(parsed.target);
    return;
  }
  const words = (decision: string): Promise<void> => expectWords(stage, label, how, answer.headers, decision, expected);
  if (expected.decision !== 'allow' || refused) {
    expect(answer.arrivals, `${label} reaches nobody`).toEqual([]);
    expect(answer.echo, label).toBeNull();
  }
  if (refused) return;
  if (sent.method === 'HEAD' && standsBetween(how)) expect(answer.body, label).toBe('');
  switch (expected.decision) {
    case 'allow':
      if (gateway.origin !== undefined) return expectReadAsJudged(label, sent, answer, expected);
      return standsBetween(how)
        ? expectPassed(label, sent, answer, expected)
        : expectAllowed(label, answer.status, answer.headers, expected);
    case 'step-up':
      expect(answer.status, label).toBe(401);
      expectChallenge(label, answer.headers, expected);
      return words('step-up');
    case 'invalid-session':
      expect(answer.status, label).toBe(401);
      expect(one(label, answer.headers, 'www-authenticate'), label).toMatch(/^Bearer (?:.*, )?error="invalid_token"/);
      if (standsBetween(how)) expect(answer.body, label).toContain('"invalid_token"');
      expectReference(label, answer.headers);
      return;
    case 'redirect': {
      expect(answer.status, label).toBe(302);
      const location = new URL(one(label, answer.headers, 'location'));
      expect(location.origin + location.pathname, label).toBe(STEP_UP_URL);
      expect(location.searchParams.get('return_to'), label).toBe(expected.return_to);
      return words('step-up');
    }
    case 'deny':
      expect(answer.status, label).toBe(403);
      expect(answer.headers.has('www-authenticate'), label).toBe(false);
      return words('deny');
    case 'unavailable':
      expect(answer.status, label).toBe(503);
      expect(one(label, answer.headers, 'retry-after')).toMatch(/^\d+$/);
      expect(answer.headers.has('www-authenticate'), label).toBe(false);
  }
}

type Lines = ReadonlyMap<string, readonly string[]>;

function one(label: string, headers: Lines, name: string): string {
  const lines = headers.get(name) ?? [];
  expect(lines, `${label}: ${name}`).toHaveLength(1);
  return lines[0] ?? '';
}

/** RFC 9470, section 3: one Bearer challenge, and nothing that a client could misread. */
function expectChallenge(label: string, headers: Lines, expected: Expectation): void {
  const challenge = one(label, headers, 'www-authenticate');
  const parameters = /^Bearer ((?:[a-z_]+="[^"\\]*"(?:, )?)+)$/.exec(challenge)?.[1] ?? '';
  const told = Object.fromEntries(
    [...parameters.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
  expect(told, label).toMatchObject({
    error: 'insufficient_user_authentication',
    acr_values: 'urn:stepgate:su',
    ...(expected.max_age !== undefined && { max_age: String(expected.max_age) }),
  });
  if (expected.error !== undefined) expect(told.error_description, label).toMatch(new RegExp(`^${expected.error}: `));
}

/** A refused client is told no reason, but can tell a support desk where the reason is found. */
async function expectWords(
  stage: Stage,
  label: string,
  how: Shown,
  headers: Lines,
  decision: string,
  { reason }: Expectation,
): Promise<void> {
  expect(one(label, headers, 'x-stepgate-decision'), label).toBe(decision);
  const reference = expectReference(label, headers);
  if (reason === undefined) return;
  if (!standsBetween(how)) expect(one(label, headers, 'x-stepgate-reasons').split(','), label).toContain(reason);
  // A conflict of methods is told beside the reasons of the decision, to the gateway alone.
  else if (reason !== 'header_conflict') await stage.expectLogged(reference, reason, label);
}

function expectReference(label: string, headers: Lines): string {
  const reference = one(label, headers, 'x-stepgate-request-id');
  expect(reference, label).not.toBe('');
  return reference;
}

/** What Stepgate says of an allowed request, to the gateway or through it to the application. */
function expectAllowed(label: string, status: number, headers: Lines, expected: Expectation): void {
  expect(status, label).toBe(200);
  const told = (name: string): string => {
    const lines = headers.get(`x-stepgate-${name}`) ?? [];
    expect(lines.length, `${label}: x-stepgate-${name}`).toBeLessThanOrEqual(1);
    return lines[0] ?? '';
  };
  expect(told('decision'), label).toBe('allow');
  expect(told('request-id'), label).not.toBe('');
  if (expected.action !== undefined) expect(told('action'), label).toBe(expected.action);
  if (expected.subject !== undefined) expect(told('subject'), label).toBe(expected.subject);
  if (expected.reason !== undefined) expect(told('reasons').split(','), label).toContain(expected.reason);
  if (expected.device_cookie === true) expectDeviceCookie(label, headers);
}

function expectDeviceCookie(label: string, headers: Lines): void {
  const cookies = (headers.get('set-cookie') ?? []).filter((line) => line.startsWith('__Host-stepgate-device='));
  expect(cookies, label).toHaveLength(1);
  expect(cookies[0], label).toMatch(/; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
}

/** An origin serves the subject that was judged or nobody, and does what was judged: no header made anything else of the request. */
function expectReadAsJudged(label: string, sent: ClientRequest, answer: ClientAnswer, expected: Expectation): void {
  expect(answer.status, label).toBe(200);
  const { bearer, cookie, ...view } = originView.parse(JSON.parse(answer.body));
  const { method, target, body } = sent;
  expect(view, label).toEqual({ method, target, body, subject: expected.subject ?? view.subject });
  for (const read of [bearer, cookie]) if (read !== null) expect(read, label).toBe(view.subject);
}

/** Whether the application was given the parsed form of what was sent, in target and `Host` alike. */
function isParsed(
  { target, headers }: Arrival,
  sent: ClientRequest,
  parsed: NonNullable<Expectation['or_parsed']>,
): boolean {
  const host = headers.get('host')?.join(', ');
  const sentHost = sent.headers.find(([name]) => name === 'Host')?.[1] ?? HOST;
  return target === parsed.target && host === parsed.host && (target !== sent.target || host !== sentHost);
}

/** The request went through a real gateway to the application, once, as it was sent and with nothing that a client forged. */
function expectPassed(
  label: string,
  sent: ClientRequest,
  answer: ClientAnswer & { readonly arrivals: readonly Arrival[] },
  expected: Expectation,
): void {
  expect(answer.status, label).toBe(expected.status ?? (sent.websocket ? 101 : 200));
  expect(answer.echo, label).toBe(sent.websocket ? WEBSOCKET_WORD : null);
  expect(answer.arrivals, label).toHaveLength(1);
  const [arrival] = answer.arrivals;
  if (arrival === undefined) return;
  expect(arrival, label).toMatchObject({ method: sent.method, target: sent.target, body: sent.body });
  const { headers } = arrival;
  expectAllowed(label, 200, headers, { ...expected, device_cookie: false });
  expect([...headers.values()].flat().join('\n'), `${label}: forged headers`).not.toContain('spoofed');
  expect(headers.has('x-stepgate-key'), `${label}: the key of the gateway`).toBe(false);
  expect([...headers].flat(2).join('\n'), `${label}: the device token`).not.toContain('__Host-stepgate-device');
  expect(headers.get('x-forwarded-for'), label).toEqual([sent.from]);
  expect(headers.get('host'), label).toEqual([sent.headers.find(([name]) => name === 'Host')?.[1] ?? HOST]);
  if (sent.websocket) return;
  expect(headers.has('upgrade'), `${label}: an upgrade that is no websocket`).toBe(false);
  expect(answer.body, label).toBe(sent.method === 'HEAD' ? '' : 'from the application');
  expect(answer.headers.get('set-cookie') ?? [], label).toContain('app=1; Path=/');
  if (expected.status === 302) expect(one(label, answer.headers, 'location'), label).toBe(ELSEWHERE);
  if (expected.device_cookie === true) expectDeviceCookie(label, answer.headers);
  else expect(answer.headers.get('set-cookie'), label).toHaveLength(1);
}
