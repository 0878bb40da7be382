import type { Baseline } from '../model/baseline.ts';
import { StoreError } from '../model/store-error.ts';
import type { Backend } from './backend.ts';
import { decodeBaseline, encodeBaseline } from './baseline-codec.ts';
import { baselineKey } from './keys.ts';
import type { BaselineChange, Pseudonym, Store, Stored } from './store.ts';

/** How long a baseline outlives its last change, in ms: 400 days, as far back as a check may be dated. */
const BASELINE_TTL_MS = 400 * 86_400_000;

/**
 * Maximum number of attempts to write a baseline against concurrent writers. Each round, at least one writer succeeds.
 */
const MAX_ROUNDS = 64;

/** A baseline from its stored text. Throws `StoreError` if it is unreadable. */
export function storedBaseline(text: string | null): Stored<Baseline> | null {
  return text === null ? null : { value: decodeBaseline(text), text };
}

interface Writer {
  readonly change: BaselineChange;
  readonly resolve: (stored: Baseline | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writers of one subject within this process form a queue: while one write is under way, the next ones are collected and
 * written together. Writers in other processes are met by compare-and-set.
 */
export function baselineWriter(backend: Backend): Store['updateBaseline'] {
  const queues = new Map<Pseudonym, Writer[]>();

  async function work(subject: Pseudonym, queue: Writer[], seen: Seen): Promise<void> {
    let text = await writeTogether(backend, subject, queue.splice(0), () => seen);
    while (queue.length > 0) {
      const written = text;
      // Read again, for the stored form is shorter than what was written into it.
      const newest = (): Seen => (written === undefined ? undefined : storedBaseline(written));
      text = await writeTogether(backend, subject, queue.splice(0), newest);
    }
    queues.delete(subject);
  }

  return (subject, change, seen) =>
    new Promise((resolve, reject) => {
      const writer: Writer = { change, resolve, reject };
      const queue = queues.get(subject);
      if (queue !== undefined) {
        queue.push(writer);
        return;
      }
      const begun = [writer];
      queues.set(subject, begun);
      void work(subject, begun, seen);
    });
}

/** The stored value; undefined if unknown. */
type Seen = Stored<Baseline> | null | undefined;

/** Resolves with the text stored afterwards; undefined if unknown. */
async function writeTogether(
  backend: Backend,
  subject: Pseudonym,
  writers: readonly Writer[],
  seen: () => Seen,
): Promise<string | null | undefined> {
  try {
    const key = baselineKey(subject);
    const known = seen();
    let isNewest = known === undefined;
    let before = known === undefined ? storedBaseline(await backend.get(key)) : known;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { after, settle } = applyChanges(before?.value ?? null, writers);
      if (after === null) {
        if (isNewest) {
          settle(before?.value ?? null);
          return before?.text ?? null;
        }
        before = storedBaseline(await backend.get(key));
      } else {
        const next = encodeBaseline(after);
        const swapped = await backend.swap({ key, expected: before?.text ?? null, next, ttlMs: BASELINE_TTL_MS });
        if (swapped.written) {
          settle(after);
          return next;
        }
        before = storedBaseline(swapped.found);
      }
      isNewest = true;
    }
    throw new StoreError('rejected', `a baseline was changed by others ${MAX_ROUNDS} times while it was written`);
  } catch (error) {
    for (const { reject } of writers) reject(error);
    return undefined;
  }
}

/** Runs every change on what the one before it left; one that throws fails alone. `after` is null when none changes anything. */
function applyChanges(before: Baseline | null, writers: readonly Writer[]) {
  let after: Baseline | null = null;
  const failures = new Map<Writer, unknown>();
  for (const writer of writers) {
    try {
      after = writer.change(after ?? before) ?? after;
    } catch (error) {
      failures.set(writer, error);
    }
  }
  const settle = (stored: Baseline | null): void => {
    for (const writer of writers) {
      if (failures.has(writer)) writer.reject(failures.get(writer));
      else writer.resolve(stored);
    }
  };
  return { after, settle };
}
