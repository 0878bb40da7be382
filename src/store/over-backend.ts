import { StoreError } from '../model/store-error.ts';
import type { Backend, CounterRead, CountersFound } from './backend.ts';
import { baselineWriter, storedBaseline } from './baselines.ts';
import { COUNTED_BY, COUNTERS_OF, type Counted, type Counts, NOTHING_SEEN } from './counters.ts';
import {
  addressCountersKey,
  baselineKey,
  deviceCountersKey,
  networkCountersKey,
  spentProofKey,
  subjectCountersKey,
} from './keys.ts';
import type {
  AddressRecord,
  Attempt,
  CounterKeys,
  DeviceRecord,
  PartwiseStore,
  Pseudonym,
  Reading,
  Store,
  SubjectRecord,
} from './store.ts';

/** The store of the domain over the atomic steps of a back end. */
export function storeOver(driver: Store['driver'], backend: Backend): PartwiseStore {
  const beginAttempt = (attempt: Attempt) => {
    const { subject, address, network, device } = attempt.keys;
    return {
      subject: subject === null ? null : reading(backend.read(subjectRead(attempt, subject)), subjectRecordFrom),
      address:
        address === null || network === null
          ? null
          : reading(backend.read(addressRead(attempt, address, network)), addressRecordFrom),
      device: device === null ? null : reading(backend.read(deviceRead(attempt, device)), deviceRecordFrom),
    };
  };
  return {
    driver,
    beginAttempt,

    async recordAttempt(attempt) {
      const pending = beginAttempt(attempt);
      const [subject, address, device] = await Promise.all([pending.subject, pending.address, pending.device]);
      return { subject, address, device };
    },

    async recordOutcome({ kind, atMs, keys }) {
      const step = { at: secondOf(atMs), write: true, event: kind, seen: NOTHING_SEEN, values: [] };
      await Promise.all(
        countersOf(keys)
          .map((counters) => counters.filter(({ of }) => COUNTED_BY[kind].includes(of)))
          .filter((counters) => counters.length > 0)
          .map((counters) => backend.read({ ...step, counters })),
      );
    },

    async readSubject(subject, atMs) {
      const found = await backend.read({
        ...subjectRead({ atMs, write: false, seen: NOTHING_SEEN }, subject),
        event: null,
      });
      return found.counts[0] == null && found.values[0] == null ? null : subjectRecordFrom(found);
    },

    updateBaseline: baselineWriter(backend),

    forgetSubject: (subject) => backend.remove([subjectCountersKey(subject), baselineKey(subject)]),

    async spendProof(id, ttlSeconds, _waitedMs, atMs) {
      if (!(ttlSeconds > 0)) {
        throw new StoreError('rejected', `a proof is spent for more than 0 seconds, not for ${ttlSeconds}`);
      }
      return backend.claim(
        spentProofKey(id),
        Math.ceil(ttlSeconds),
        atMs === undefined ? '' : String(Math.floor(atMs)),
      );
    },

    async spentAt(id) {
      const atMs = Number(await backend.get(spentProofKey(id)));
      return atMs > 0 ? atMs : null;
    },

    ping: () => backend.ping(),
    close: () => backend.close(),
  };
}

type Moment = Pick<Attempt, 'atMs' | 'write' | 'seen'>;

function subjectRead({ atMs, write, seen }: Moment, subject: Pseudonym): CounterRead {
  const counters = [{ of: 'subject', key: subjectCountersKey(subject) }] as const;
  return { at: secondOf(atMs), write, event: 'attempt', seen, counters, values: [baselineKey(subject)] };
}

function addressRead({ atMs, write, seen }: Moment, address: Pseudonym, network: Pseudonym): CounterRead {
  const counters = addressCounters(address, network);
  return { at: secondOf(atMs), write, event: 'attempt', seen, counters, values: [] };
}

function deviceRead({ atMs, write, seen }: Moment, device: Pseudonym): CounterRead {
  const counters = [{ of: 'device', key: deviceCountersKey(device) }] as const;
  return { at: secondOf(atMs), write, event: 'attempt', seen, counters, values: [] };
}

/** All counters of these keys, those of one hash tag together. */
function countersOf({ subject, address, network, device }: CounterKeys): readonly CounterRead['counters'][] {
  return [
    subject === null ? [] : [{ of: 'subject', key: subjectCountersKey(subject) }],
    address === null || network === null ? [] : addressCounters(address, network),
    device === null ? [] : [{ of: 'device', key: deviceCountersKey(device) }],
  ];
}

function addressCounters(address: Pseudonym, network: Pseudonym): CounterRead['counters'] {
  return [
    { of: 'address', key: addressCountersKey(network, address) },
    { of: 'network', key: networkCountersKey(network) },
  ];
}

function subjectRecordFrom(found: CountersFound): SubjectRecord {
  return { ...countsFrom('subject', found, 0), baseline: storedBaseline(found.values[0] ?? null) };
}

function addressRecordFrom(found: CountersFound): AddressRecord {
  return { ...countsFrom('address', found, 0), network: countsFrom('network', found, 1) };
}

function deviceRecordFrom(found: CountersFound): DeviceRecord {
  return countsFrom('device', found, 0);
}

/** Counts by name; zeros if nothing is stored. */
function countsFrom<Of extends Counted>(of: Of, { counts }: CountersFound, index: number): Counts<Of> {
  const found = counts[index];
  if (found === undefined) throw new StoreError('rejected', 'the store answered with fewer counters than asked for');
  const named: { [name: string]: number } = {};
  for (const [place, { name }] of COUNTERS_OF[of].entries()) named[name] = found?.[place] ?? 0;
  return named as Counts<Of>;
}

function reading<T>(found: Promise<CountersFound>, read: (found: CountersFound) => T): Promise<Reading<T>> {
  return found.then((counters): Reading<T> => {
    try {
      return { state: 'read', value: read(counters) };
    } catch (error) {
      return failedReading(error);
    }
  }, failedReading);
}

function failedReading(error: unknown): Reading<never> {
  return { state: 'failed', why: error instanceof StoreError ? error.code : 'rejected' };
}

function secondOf(atMs: number): number {
  return Math.floor(atMs / 1000);
}
