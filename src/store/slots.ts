import type { Baseline } from '../model/baseline.ts';
import type { Cells, TallyCell, Touch, Touched } from './cells.ts';
import { decodeBaseline, encodeBaseline } from './codec.ts';
import {
  addressTallyKey,
  baselineKey,
  deviceTallyKey,
  networkTallyKey,
  spentProofKey,
  subjectTallyKey,
} from './keys.ts';
import {
  type AddressSlot,
  type Attempt,
  type DeviceSlot,
  type Pseudonym,
  type Slot,
  type SlotStore,
  type Store,
  StoreError,
  type SubjectSlot,
} from './store.ts';
import { CLOCK_SKEW_SECONDS, COUNTERS, countIn, membersIn, SETS, type Tally, type TallyChange } from './windows.ts';

/** How long a baseline outlives its last change, in ms: 400 days, as far back as a check may be dated. */
const BASELINE_TTL_MS = 400 * 86_400_000;

/** How often a baseline is written again after somebody else was faster. Each round, at least one writer gets through. */
const MOST_ROUNDS = 64;

const SUBJECT_TTL_MS = ttlMs(SETS.countries24h.windowSeconds);
const ADDRESS_TTL_MS = ttlMs(Math.max(SETS.subjects1h.windowSeconds, COUNTERS.denies1h.windowSeconds));
const NETWORK_TTL_MS = ttlMs(COUNTERS.failures10m.windowSeconds);
const DEVICE_TTL_MS = ttlMs(SETS.subjects24h.windowSeconds);

/** The store of the domain over the atomic steps of a driver. */
export function storeOver(driver: Store['driver'], cells: Cells): SlotStore {
  const texts: StoredTexts = new WeakMap();
  const updateBaseline = baselineUpdater(cells, texts);
  const ask: SlotStore['ask'] = ({ atMs, write, subject, address, device }) => {
    const at = secondOf(atMs);
    return {
      subject: subject && touchSubject(cells, texts, at, write, subject),
      address: address && touchAddress(cells, at, write, address),
      device: device && touchDevice(cells, at, write, device),
    };
  };
  return {
    driver,
    ask,

    async recordAttempt(attempt) {
      const asked = ask(attempt);
      const [subject, address, device] = await Promise.all([asked.subject, asked.address, asked.device]);
      return { subject, address, device };
    },

    async recordOutcome({ kind, atMs, subject, address }) {
      const counted: TallyChange = { count: kind === 'failure' ? 'failures10m' : 'denies1h' };
      const touches: TallyCell[][] = [];
      if (subject !== null && kind === 'failure') touches.push([subjectTally(subject, [counted])]);
      if (address !== null) {
        touches.push([
          addressTally(address.network, address.key, [counted]),
          ...(kind === 'failure' ? [networkTally(address.network, [counted])] : []),
        ]);
      }
      const at = secondOf(atMs);
      await Promise.all(touches.map((tallies) => cells.touch({ at, write: true, tallies, values: [] })));
    },

    async readSubject(subject, atMs) {
      const at = secondOf(atMs);
      const touched = await cells.touch(subjectTouch(at, false, subject, []));
      const [tally, raw] = subjectParts(touched);
      if (raw === null && Object.keys(tally).length === 0) return null;
      return subjectSlotFrom(tally, decoded(raw, texts), at, null, null);
    },

    updateBaseline,

    forgetSubject: (subject) => cells.remove([subjectTallyKey(subject), baselineKey(subject)]),

    async spendProof(id, ttlSeconds, _waitedMs, atMs) {
      if (!(ttlSeconds > 0)) {
        throw new StoreError('rejected', `a proof is spent for more than 0 seconds, not for ${ttlSeconds}`);
      }
      return cells.claim(spentProofKey(id), Math.ceil(ttlSeconds), atMs === undefined ? '' : String(Math.floor(atMs)));
    },

    async spentAt(id) {
      const atMs = Number(await cells.get(spentProofKey(id)));
      return atMs > 0 ? atMs : null;
    },

    ping: () => cells.ping(),
    close: () => cells.close(),
  };
}

function slotOf<T>(touched: Promise<Touched>, read: (touched: Touched) => T): Promise<Slot<T>> {
  return touched.then((found): Slot<T> => {
    try {
      return { state: 'read', value: read(found) };
    } catch (error) {
      return failedSlot(error);
    }
  }, failedSlot);
}

function failedSlot(error: unknown): Slot<never> {
  return { state: 'failed', why: error instanceof StoreError ? error.code : 'rejected' };
}

function touchSubject(
  cells: Cells,
  texts: StoredTexts,
  at: number,
  write: boolean,
  { key, address, country }: NonNullable<Attempt['subject']>,
): Promise<Slot<SubjectSlot>> {
  const changes: TallyChange[] = [{ count: 'attempts1m' }];
  if (address !== null) changes.push({ see: 'addresses1h', member: address });
  if (country !== null) changes.push({ see: 'countries24h', member: country });
  return slotOf(cells.touch(subjectTouch(at, write, key, changes)), (touched) => {
    const [tally, raw] = subjectParts(touched);
    return subjectSlotFrom(tally, decoded(raw, texts), at, address, country);
  });
}

function touchAddress(
  cells: Cells,
  at: number,
  write: boolean,
  { key, network, subject }: NonNullable<Attempt['address']>,
): Promise<Slot<AddressSlot>> {
  const changes: TallyChange[] = subject === null ? [] : [{ see: 'subjects1h', member: subject }];
  const tallies = [addressTally(network, key, changes), networkTally(network, [])];
  return slotOf(cells.touch({ at, write, tallies, values: [] }), (touched) => {
    const own = tallyOf(touched, 0);
    return {
      failures10m: countIn(own, 'failures10m', at),
      denies1h: countIn(own, 'denies1h', at),
      subjects1h: membersIn(own, 'subjects1h', at, subject),
      networkFailures10m: countIn(tallyOf(touched, 1), 'failures10m', at),
    };
  });
}

function touchDevice(
  cells: Cells,
  at: number,
  write: boolean,
  { key, subject }: NonNullable<Attempt['device']>,
): Promise<Slot<DeviceSlot>> {
  const changes: TallyChange[] = subject === null ? [] : [{ see: 'subjects24h', member: subject }];
  const tallies = [{ key: deviceTallyKey(key), ttlMs: DEVICE_TTL_MS, changes }];
  return slotOf(cells.touch({ at, write, tallies, values: [] }), (touched) => ({
    subjects24h: membersIn(tallyOf(touched, 0), 'subjects24h', at, subject),
  }));
}

function subjectTouch(at: number, write: boolean, subject: Pseudonym, changes: readonly TallyChange[]): Touch {
  return { at, write, tallies: [subjectTally(subject, changes)], values: [baselineKey(subject)] };
}

function subjectParts(touched: Touched): readonly [Tally, string | null] {
  return [tallyOf(touched, 0), touched.values[0] ?? null];
}

function subjectSlotFrom(
  tally: Tally,
  baseline: Baseline | null,
  at: number,
  address: Pseudonym | null,
  country: string | null,
): SubjectSlot {
  return {
    baseline,
    attempts1m: countIn(tally, 'attempts1m', at),
    failures10m: countIn(tally, 'failures10m', at),
    addresses1h: membersIn(tally, 'addresses1h', at, address),
    countries24h: membersIn(tally, 'countries24h', at, country),
  };
}

function subjectTally(subject: Pseudonym, changes: readonly TallyChange[]): TallyCell {
  return { key: subjectTallyKey(subject), ttlMs: SUBJECT_TTL_MS, changes };
}

function addressTally(network: Pseudonym, address: Pseudonym, changes: readonly TallyChange[]): TallyCell {
  return { key: addressTallyKey(network, address), ttlMs: ADDRESS_TTL_MS, changes };
}

function networkTally(network: Pseudonym, changes: readonly TallyChange[]): TallyCell {
  return { key: networkTallyKey(network), ttlMs: NETWORK_TTL_MS, changes };
}

function tallyOf(touched: Touched, index: number): Tally {
  const tally = touched.tallies[index];
  if (tally === undefined) throw new StoreError('rejected', 'the store answered with fewer tallies than asked for');
  return tally;
}

function secondOf(atMs: number): number {
  return Math.floor(atMs / 1000);
}

/** A window that slides lives as long as its newest entry can count: the window, its last bucket and the clock skew. */
function ttlMs(windowSeconds: number): number {
  return (windowSeconds + windowSeconds / 60 + CLOCK_SKEW_SECONDS) * 1000;
}

/** The text from which a baseline was decoded: what compare-and-set expects where it is still the newest. */
type StoredTexts = WeakMap<Baseline, string>;

function decoded(raw: string | null, texts: StoredTexts): Baseline | null {
  if (raw === null) return null;
  const baseline = decodeBaseline(raw);
  texts.set(baseline, raw);
  return baseline;
}

type Change = (before: Baseline | null) => Baseline | null;

interface Waiting {
  readonly change: Change;
  readonly resolve: (stored: Baseline | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writers of one subject within this process form a line: while one write is under way, the next ones gather and go
 * together. Writers in other processes are met by compare-and-set.
 */
function baselineUpdater(cells: Cells, texts: StoredTexts): Store['updateBaseline'] {
  const lines = new Map<Pseudonym, Waiting[]>();

  async function work(subject: Pseudonym, line: Waiting[], seen: Baseline | null | undefined): Promise<void> {
    let newest = seen;
    while (line.length > 0) newest = await writeTogether(cells, texts, subject, line.splice(0), newest);
    lines.delete(subject);
  }

  return (subject, change, seen) =>
    new Promise((resolve, reject) => {
      const waiting: Waiting = { change, resolve, reject };
      const line = lines.get(subject);
      if (line !== undefined) {
        line.push(waiting);
        return;
      }
      const begun = [waiting];
      lines.set(subject, begun);
      void work(subject, begun, seen);
    });
}

/** Answers with what is stored now; undefined when that is not known. `seen` is what was, as far as is known. */
async function writeTogether(
  cells: Cells,
  texts: StoredTexts,
  subject: Pseudonym,
  writers: readonly Waiting[],
  seen: Baseline | null | undefined,
): Promise<Baseline | null | undefined> {
  try {
    const key = baselineKey(subject);
    const read = async () => decoded(await cells.get(key), texts);
    let isRead = seen === undefined || (seen !== null && !texts.has(seen));
    let before = seen === undefined || isRead ? await read() : seen;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const { after, changed, settle } = applyChanges(before, writers);
      if (after !== null && changed) {
        const next = encodeBaseline(after);
        const expected = before === null ? null : (texts.get(before) ?? null);
        const swapped = await cells.swap({ key, expected, next, ttlMs: BASELINE_TTL_MS });
        if (swapped.written) return settle(decoded(next, texts));
        before = decoded(swapped.found, texts);
      } else {
        if (isRead) return settle(after);
        before = await read();
      }
      isRead = true;
    }
    throw new StoreError('rejected', `a baseline was changed by others ${MOST_ROUNDS} times while it was written`);
  } catch (error) {
    for (const { reject } of writers) reject(error);
    return undefined;
  }
}

/** Runs every change on what the one before it left; one that throws fails alone. */
function applyChanges(before: Baseline | null, writers: readonly Waiting[]) {
  let after = before;
  let changed = false;
  const failures = new Map<Waiting, unknown>();
  for (const writer of writers) {
    try {
      const next = writer.change(after);
      if (next !== null) {
        after = next;
        changed = true;
      }
    } catch (error) {
      failures.set(writer, error);
    }
  }
  const settle = (stored: Baseline | null): Baseline | null => {
    for (const writer of writers) {
      if (failures.has(writer)) writer.reject(failures.get(writer));
      else writer.resolve(stored);
    }
    return stored;
  };
  return { after, changed, settle };
}
