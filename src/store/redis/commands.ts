import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { messageOf } from '../../model/error-text.ts';
import { StoreError } from '../../model/store-error.ts';
import type { Backend, CounterRead, Swap } from '../backend.ts';
import { COUNTERS_OF, type Counted } from '../counters.ts';
import { batched } from './batch.ts';
import { isSentInCircles, refusal } from './errors.ts';
import { eventNumber, numberOf, SCRIPT, VALUES_SEEN } from './script.ts';

/** A client of Redis that can be given commands. */
export type Client = Redis | Cluster;

/** A way to Redis: one client, or one after the other. */
export interface RedisLink {
  /** Runs one command; rejects with `StoreError` and nothing else. */
  ask<T>(command: (redis: Client) => Promise<T>): Promise<T>;
  /** Resolves when the server answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** An atomic step that is sent to Redis together with others. */
export type Step = CounterRead | Swap;

/** The back end as commands of Redis, their replies unread. */
export interface RedisCommands extends Omit<Backend, 'read' | 'swap'> {
  /** In one command: the keys of all steps must be on one server. Answers are in the order of the steps. */
  steps(steps: readonly Step[]): Promise<readonly StepReply[]>;
}

/**
 * For a read, the counts of each key as a text, then the values; for a swap `['1']` or `['0', what was found]`; or why that
 * step alone failed.
 */
export type StepReply = readonly (string | null)[] | StoreError;

/** Most steps in one command: no other client of the server waits long for it. */
const MAX_BATCH_SIZE = 32;

/** Calls back when a batch is to be sent. */
export type Later = (send: () => void) => void;

/**
 * The back end over Redis commands. Steps given before `later` calls back are sent as one command; null sends each step
 * alone, for keys on different servers.
 */
export function redisBackend(commands: RedisCommands, later: Later | null): Backend {
  const take = stepTaker(commands, later);
  return {
    ...commands,
    read: (read) =>
      take(read).then((reply) => {
        if (reply instanceof StoreError) throw reply;
        const { counters } = read;
        return {
          counts: counters.map(({ of }, i) => countsFrom(of, reply[i] ?? null)),
          values: reply.slice(counters.length),
        };
      }),
    swap: (swap) =>
      take(swap).then((reply) => {
        if (reply instanceof StoreError) throw reply;
        const [written, found = null] = reply;
        return written === '1' ? { written: true } : { written: false, found };
      }),
  };
}

/** Collects steps and sends them like {@link redisBackend}. */
export function stepTaker(commands: RedisCommands, later: Later | null): (step: Step) => Promise<StepReply> {
  const one = async (step: Step): Promise<StepReply | undefined> => (await commands.steps([step]))[0];
  const ask = later === null ? one : batched(commands.steps, { most: MAX_BATCH_SIZE, later });
  return (step) => ask(step).then((reply) => reply ?? refusal('ERR'));
}

function countsFrom(of: Counted, text: string | null): readonly number[] | null {
  if (text === null) return null;
  const counts = text.split(' ').map(Number);
  const isWhole = counts.length === COUNTERS_OF[of].length && counts.every((count) => count >= 0);
  if (!isWhole)
    throw new StoreError('rejected', 'stored counters cannot be read: they were not written by this version');
  return counts;
}

/** The commands over a link. */
export function redisCommands(link: RedisLink): RedisCommands {
  return {
    steps: (steps) =>
      link.ask(async (redis) => {
        const takeAll = async (all: readonly Step[]): Promise<StepReply[]> =>
          repliesFrom(await run(redis, callOf(all)));
        try {
          return await takeAll(steps);
        } catch (error) {
          // A command that was sent on and on did nothing. While a slot moves, Redis serves a key alone, but not several together.
          const parts = steps.map(keyByKey);
          if (!isSentInCircles(error) || parts.every((keys) => keys.length < 2)) throw error;
          return await Promise.all(
            parts.map(async (keys) => joined((await Promise.all(keys.map((key) => takeAll([key])))).flat())),
          );
        }
      }),
    get: (key) => link.ask((redis) => redis.get(key)),
    async claim(key, ttlSeconds, note) {
      return (await link.ask((redis) => redis.set(key, note, 'EX', ttlSeconds, 'NX'))) === 'OK';
    },
    async remove(keys) {
      // One by one: while their slot moves, some may be on each server.
      await link.ask((redis) => Promise.all(keys.map((key) => redis.del(key))));
    },
    ping: () => link.ping(),
    close: () => link.close(),
  };
}

async function run(redis: Client, { keys, args }: Call): Promise<unknown> {
  try {
    return await redis.evalsha(SCRIPT_SHA1, keys.length, ...keys, ...args);
  } catch (error) {
    // The server did not know the script and did nothing, so it can be sent in full.
    if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
    return await redis.eval(SCRIPT, keys.length, ...keys, ...args);
  }
}

/** Each key of a step alone, in order. */
function keyByKey(step: Step): Step[] {
  if (isSwap(step)) return [step];
  return [
    ...step.counters.map((counters) => ({ ...step, counters: [counters], values: [] })),
    ...step.values.map((value) => ({ ...step, write: false, counters: [], values: [value] })),
  ];
}

function isSwap(step: Step): step is Swap {
  return 'next' in step;
}

/** The replies to {@link keyByKey} as the reply to the whole step. */
function joined(parts: readonly StepReply[]): StepReply {
  const values: (string | null)[] = [];
  for (const part of parts) {
    if (part instanceof StoreError) return part;
    values.push(...part);
  }
  return values;
}

/** Tells a server the script, so that the first command takes one wait after its restart too. */
export async function loadScript(server: Redis): Promise<void> {
  await server.script('LOAD', SCRIPT);
}

const SCRIPT_SHA1 = createHash('sha1').update(SCRIPT).digest('hex');

/** The script's result for each step, or its error. Parsed by hand, as every check needs it. */
function repliesFrom(replies: unknown): StepReply[] {
  if (!Array.isArray(replies)) throw unexpectedReply();
  return replies.map((reply: unknown): StepReply => {
    if (typeof reply === 'string') return refusal(reply);
    if (!Array.isArray(reply)) throw unexpectedReply();
    for (const value of reply) if (typeof value !== 'string' && value !== null) throw unexpectedReply();
    return reply;
  });
}

function unexpectedReply(): StoreError {
  return new StoreError('rejected', 'Redis answered a script with something else than it returns');
}

interface Call {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** Keys and arguments of the script. The JSON is put together by hand: it is written for every check. */
export function callOf(steps: readonly Step[]): Call {
  const keys: string[] = [];
  const values: (string | number)[] = [];
  let json = '';
  for (const step of steps) {
    if (json !== '') json += ',';
    if (isSwap(step)) {
      keys.push(step.key);
      json += `[${FIRST_VALUE + values.length}]`;
      values.push(step.expected ?? '', step.next, step.ttlMs);
    } else {
      for (const { key } of step.counters) keys.push(key);
      for (const key of step.values) keys.push(key);
      json += readCall(step);
    }
  }
  return { keys, args: [`[${json}]`, ...values] };
}

/** Place of the first argument after the steps; Lua counts from 1. */
const FIRST_VALUE = 2;

function readCall({ at, write, event, seen, counters, values }: CounterRead): string {
  let call = `[${at},${write ? 1 : 0},${eventNumber(event)},${values.length}`;
  for (const { of } of counters) {
    call += `,[${numberOf(of)}`;
    for (const value of VALUES_SEEN[of]) call += `,${JSON.stringify(seen[value] ?? '')}`;
    call += ']';
  }
  return `${call}]`;
}
