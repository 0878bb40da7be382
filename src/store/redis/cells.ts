import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { Cells, Swap, Touch } from '../cells.ts';
import { decodeTally } from '../codec.ts';
import { StoreError } from '../store.ts';
import { CLOCK_SKEW_SECONDS, COUNTERS, SETS, type TallyChange } from '../windows.ts';
import { gathering } from './batch.ts';
import { isSentInCircles, messageOf, refusal } from './errors.ts';
import { STEPS } from './scripts.ts';

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

/** A step that goes to Redis together with others. */
export type Step = Touch | Swap;

/** The atomic steps in the raw values of Redis. */
export interface RawCells extends Omit<Cells, 'touch' | 'swap'> {
  /** In one command: the keys of all steps have to lie on one server. Answers in the order of the steps. */
  steps(steps: readonly Step[]): Promise<readonly RawReply[]>;
}

/**
 * What the tallies of a slot and its other keys hold; for a swap `['1']` or `['0', what was found]`; or why that step alone
 * failed.
 */
export type RawReply = readonly (string | null)[] | StoreError;

/** Most steps in one command: no other client of the server waits long for it. */
const MOST_GATHERED = 32;

/**
 * The atomic steps of the store. What is asked before `later` calls back goes to the server as one command; null sends
 * each step alone, where the keys of different steps may lie on different servers.
 */
export function cellsOver(raw: RawCells, later: ((go: () => void) => void) | null): Cells {
  const take = stepByStep(raw, later);
  return {
    ...raw,
    touch: (touch) =>
      take(touch).then((reply) => {
        if (reply instanceof StoreError) throw reply;
        const count = touch.tallies.length;
        return { tallies: reply.slice(0, count).map((text) => decodeTally(text ?? '')), values: reply.slice(count) };
      }),
    swap: (swap) =>
      take(swap).then((reply) => {
        if (reply instanceof StoreError) throw reply;
        const [written, found = null] = reply;
        return written === '1' ? { written: true } : { written: false, found };
      }),
  };
}

/** Takes steps one by one, and sends them as {@link cellsOver} says. */
export function stepByStep(raw: RawCells, later: ((go: () => void) => void) | null): (step: Step) => Promise<RawReply> {
  const one = async (step: Step): Promise<RawReply | undefined> => (await raw.steps([step]))[0];
  const ask = later === null ? one : gathering(raw.steps, { most: MOST_GATHERED, later });
  return (step) => ask(step).then((reply) => reply ?? refusal('ERR'));
}

/** The atomic steps as commands of Redis. */
export function rawCells(link: RedisLink): RawCells {
  return {
    steps: (steps) =>
      link.ask(async (redis) => {
        const takeAll = async (all: readonly Step[]): Promise<RawReply[]> => repliesFrom(await run(redis, callOf(all)));
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
      // Each by itself: while their slot moves, some may lie on the one server and some on the other.
      await link.ask((redis) => Promise.all(keys.map((key) => redis.del(key))));
    },
    ping: () => link.ping(),
    close: () => link.close(),
  };
}

async function run(redis: Client, { keys, args }: Call): Promise<unknown> {
  try {
    return await redis.evalsha(STEPS_SHA1, keys.length, ...keys, ...args);
  } catch (error) {
    // A script that the server does not know did nothing, so that it can be sent in full.
    if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
    return await redis.eval(STEPS, keys.length, ...keys, ...args);
  }
}

/** Each key of a step by itself, in their order. */
function keyByKey(step: Step): Step[] {
  if (isSwap(step)) return [step];
  const { at, write, tallies, values } = step;
  return [
    ...tallies.map((tally) => ({ at, write, tallies: [tally], values: [] })),
    ...values.map((value) => ({ at, write: false, tallies: [], values: [value] })),
  ];
}

function isSwap(step: Step): step is Swap {
  return 'next' in step;
}

/** The replies to {@link keyByKey} as the reply to the whole step. */
function joined(parts: readonly RawReply[]): RawReply {
  const values: (string | null)[] = [];
  for (const part of parts) {
    if (part instanceof StoreError) return part;
    values.push(...part);
  }
  return values;
}

/** Tells a server the script, so that the first command takes one wait after its restart too. */
export async function loadScript(server: Redis): Promise<void> {
  await server.script('LOAD', STEPS);
}

const STEPS_SHA1 = createHash('sha1').update(STEPS).digest('hex');

/** What the script says of each step, or the error by which it failed. By hand: it is read for every check. */
function repliesFrom(replies: unknown): RawReply[] {
  if (!Array.isArray(replies)) throw unexpectedReply();
  return replies.map((reply: unknown): RawReply => {
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
function callOf(steps: readonly Step[]): Call {
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
      for (const { key } of step.tallies) keys.push(key);
      keys.push(...step.values);
      json += touchCall(step);
    }
  }
  return { keys, args: [CLOCK_SKEW_SECONDS, `[${json}]`, ...values] };
}

/** Place of the first argument after the clock skew and the steps; Lua counts from 1. */
const FIRST_VALUE = 3;

function touchCall({ at, write, tallies, values }: Touch): string {
  let ttls = '';
  let changes = '';
  for (const [index, tally] of tallies.entries()) {
    ttls += ttls === '' ? tally.ttlMs : `,${tally.ttlMs}`;
    for (const change of tally.changes) changes += `${changes === '' ? '' : ','}[${index + 1},${changeCall(change)}]`;
  }
  return `[${at},${write},[${ttls}],${values.length},[${changes}]]`;
}

/** Name, window, bucket, cap and member, as JSON without brackets. */
function changeCall(change: TallyChange): string {
  if ('count' in change) {
    const { windowSeconds, bucketSeconds } = COUNTERS[change.count];
    return `"${change.count}",${windowSeconds},${bucketSeconds},0,""`;
  }
  const { windowSeconds, cap } = SETS[change.see];
  return `"${change.see}",${windowSeconds},1,${cap},${JSON.stringify(change.member)}`;
}
