import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import * as z from 'zod';
import type { Cells, Touch } from './cells.ts';
import { decodeTally } from './codec.ts';
import { gathering } from './gathering.ts';
import { isSentInCircles, messageOf, refusal } from './redis-errors.ts';
import { REPLACE, TALLY } from './scripts.ts';
import { StoreError } from './store.ts';
import { CLOCK_SKEW_SECONDS, COUNTERS, SETS, type TallyChange } from './windows.ts';

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

/** The atomic steps in the raw values of Redis. */
export interface RawCells extends Omit<Cells, 'touch'> {
  /** In one command: the keys of all touches have to lie on one server. Answers in the order of the touches. */
  touch(touches: readonly Touch[]): Promise<readonly RawSlot[]>;
}

/** What the tallies of a slot and its other keys hold, or why that slot alone failed. */
export type RawSlot = readonly (string | null)[] | StoreError;

/** Most slots in one command: no other client of the server waits long for it. */
const MOST_GATHERED = 32;

/**
 * The atomic steps of the store. What is touched before `later` calls back goes to the server as one command; null sends
 * each touch alone, where the keys of different slots may lie on different servers.
 */
export function cellsOver(raw: RawCells, later: ((go: () => void) => void) | null): Cells {
  const touchOne = touchesOneByOne(raw, later);
  return {
    ...raw,
    async touch(touch) {
      const reply = await touchOne(touch);
      if (reply instanceof StoreError) throw reply;
      const count = touch.tallies.length;
      return { tallies: reply.slice(0, count).map((text) => decodeTally(text ?? '')), values: reply.slice(count) };
    },
  };
}

/** Takes touches one by one, and sends them as {@link cellsOver} says. */
export function touchesOneByOne(
  raw: RawCells,
  later: ((go: () => void) => void) | null,
): (touch: Touch) => Promise<RawSlot> {
  const one = async (touch: Touch): Promise<RawSlot | undefined> => (await raw.touch([touch]))[0];
  const ask = later === null ? one : gathering(raw.touch, { most: MOST_GATHERED, later });
  return async (touch) => (await ask(touch)) ?? refusal('ERR');
}

/** The atomic steps as commands of Redis. */
export function rawCells(link: RedisLink): RawCells {
  return {
    touch: (touches) =>
      link.ask(async (redis) => {
        const touchAll = async (all: readonly Touch[]): Promise<RawSlot[]> => {
          const slots = read(slotReplies, await run(redis, TALLY_SCRIPT, ...tallyCall(all)));
          return slots.map((slot) => (typeof slot === 'string' ? refusal(slot) : slot));
        };
        try {
          return await touchAll(touches);
        } catch (error) {
          // A command that was sent on and on did nothing. While a slot moves, Redis serves a key alone, but not several together.
          const parts = touches.map(keyByKey);
          if (!isSentInCircles(error) || parts.every((keys) => keys.length < 2)) throw error;
          return await Promise.all(
            parts.map(async (keys) => joined((await Promise.all(keys.map((key) => touchAll([key])))).flat())),
          );
        }
      }),
    get: (key) => link.ask((redis) => redis.get(key)),
    async replace(key, expected, next, ttlMs) {
      const [written, found = null] = read(
        replaced,
        await link.ask((redis) => run(redis, REPLACE_SCRIPT, [key], [expected ?? '', next, ttlMs])),
      );
      return written === 1 ? { written: true } : { written: false, found };
    },
    async claim(key, ttlSeconds) {
      return (await link.ask((redis) => redis.set(key, '1', 'EX', ttlSeconds, 'NX'))) === 'OK';
    },
    async remove(keys) {
      // Each by itself: while their slot moves, some may lie on the one server and some on the other.
      await link.ask((redis) => Promise.all(keys.map((key) => redis.del(key))));
    },
    ping: () => link.ping(),
    close: () => link.close(),
  };
}

async function run(
  redis: Client,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
  } catch (error) {
    // A script that the server does not know did nothing, so that it can be sent in full.
    if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
    return await redis.eval(script.source, keys.length, ...keys, ...args);
  }
}

/** One touch for each of its keys, in their order. */
function keyByKey({ at, write, tallies, values }: Touch): Touch[] {
  return [
    ...tallies.map((tally) => ({ at, write, tallies: [tally], values: [] })),
    ...values.map((value) => ({ at, write: false, tallies: [], values: [value] })),
  ];
}

/** The replies to {@link keyByKey} as the reply to the whole touch. */
function joined(parts: readonly RawSlot[]): RawSlot {
  const values: (string | null)[] = [];
  for (const part of parts) {
    if (part instanceof StoreError) return part;
    values.push(...part);
  }
  return values;
}

/** Tells a server the scripts, so that the first command takes one wait after its restart too. */
export async function loadScripts(server: Redis): Promise<void> {
  await Promise.all([TALLY_SCRIPT, REPLACE_SCRIPT].map(({ source }) => server.script('LOAD', source)));
}

interface Script {
  readonly source: string;
  readonly sha1: string;
}

const TALLY_SCRIPT = withSha1(TALLY);
const REPLACE_SCRIPT = withSha1(REPLACE);

function withSha1(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** What the script says of each slot: its keys, or the error by which it failed. */
const slotReplies = z.array(z.union([z.array(z.string().nullable()), z.string()]));
const replaced = z.tuple([z.int(), z.string().nullable().optional()]);

function read<T>(schema: z.ZodType<T>, reply: unknown): T {
  const parsed = schema.safeParse(reply);
  if (!parsed.success) throw new StoreError('rejected', 'Redis answered a script with something else than it returns');
  return parsed.data;
}

function tallyCall(touches: readonly Touch[]): [string[], (string | number)[]] {
  const keys = touches.flatMap(({ tallies, values }) => [...tallies.map(({ key }) => key), ...values]);
  return [keys, [CLOCK_SKEW_SECONDS, JSON.stringify(touches.map(slotCall))]];
}

function slotCall({ at, write, tallies, values }: Touch) {
  const changes = tallies.flatMap((tally, index) => tally.changes.map((change) => [index + 1, ...changeCall(change)]));
  return [at, write, tallies.map(({ ttlMs }) => ttlMs), values.length, changes];
}

function changeCall(change: TallyChange): readonly (string | number)[] {
  if ('count' in change) {
    const { windowSeconds, bucketSeconds } = COUNTERS[change.count];
    return [change.count, windowSeconds, bucketSeconds, 0, ''];
  }
  const { windowSeconds, cap } = SETS[change.see];
  return [change.see, windowSeconds, 1, cap, change.member];
}
