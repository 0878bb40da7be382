import { DATA_SUFFIX } from '../data/container.ts';
import { DataError } from '../data/data-error.ts';
import { decodeList, LIST, LISTS_MANIFEST } from '../data/lists/list-file.ts';
import type { CompiledList } from '../data/lists/lists.ts';
import { announceStale, type BrokenList, createReputation, NO_REPUTATION } from '../data/lists/standing.ts';
import { MANIFEST_FILE, type ReadFile, readListed, readManifest } from '../data/manifest.ts';
import type { Address } from '../model/address.ts';
import { messageOf } from '../model/error-text.ts';
import type { ListStatus, LocalReputation, Reputation, Standing } from '../model/reputation.ts';
import { DEFAULT_TIMEOUT_MS } from './wait.ts';

/** What an isolate keeps of the lists: plain memory, so that it outlives the request that fetched them. */
export interface ListMemory {
  /** Null until they have been read. */
  reputation: LocalReputation | null;
  /** Until then, in epoch milliseconds, nobody else begins to read: somebody does, or just failed to. */
  takenUntilMs: number;
  /** Whether somebody reads now, as far as is known. */
  reading: boolean;
  problem: string | null;
  /** Names of the lists past their age that were announced. */
  readonly announced: Set<string>;
}

/** Memory in which nothing has been read. */
export function listMemory(): ListMemory {
  return { reputation: null, takenUntilMs: 0, reading: false, problem: null, announced: new Set() };
}

/** How lists are read. */
export interface FetchedListsOptions {
  readonly memory: ListMemory;
  readonly read: ReadFile;
  /** Real clock, epoch milliseconds. */
  readonly now: () => number;
  /** How long a check may wait for the lists, in milliseconds. Default 250. */
  readonly timeoutMs?: number;
  /** Told why the lists could not be read, or one of them not be used. */
  readonly onProblem?: (problem: string) => void;
  /** Told of each list that is past its age, once, by the first look-up that meets it. */
  readonly onStale?: (list: ListStatus) => void;
  /** Takes the reading, for `waitUntil`: it has to end even when the request that began it is answered. Never rejects. */
  readonly keepAlive: (reading: Promise<void>) => void;
}

/** Address lists that are read once, at the first check. Checks before that wait a limited time. */
export interface FetchedLists extends Reputation {
  /** Starts reading, unless it is done or under way. */
  warm(): void;
}

/**
 * The lists in the Worker's assets, read once into a memory that requests share. On Workers a request cannot wait for another one's
 * promise, so requests that arrive meanwhile poll the memory. If the lists are late, every public address has the standing
 * `lists_unavailable`.
 */
export function fetchedLists({
  memory,
  read: readFile,
  now,
  timeoutMs = DEFAULT_TIMEOUT_MS,
  onProblem = () => undefined,
  onStale = () => undefined,
  keepAlive,
}: FetchedListsOptions): FetchedLists {
  const read = async (): Promise<void> => {
    try {
      const { lists, broken } = await readLists(readFile);
      memory.reputation = createReputation(lists, broken);
      memory.problem = null;
      for (const { source, problem } of broken) onProblem(`${source} ${problem.message}`);
    } catch (error) {
      memory.problem = `lists_unavailable: ${messageOf(error)}`;
      onProblem(memory.problem);
    }
    memory.reading = false;
  };
  const warm = (): void => {
    if (memory.reputation !== null || now() < memory.takenUntilMs) return;
    memory.takenUntilMs = now() + TURN_MS;
    memory.reading = true;
    keepAlive(read());
  };
  const waited = async (): Promise<LocalReputation | null> => {
    const deadlineMs = now() + timeoutMs;
    while (memory.reputation === null && now() < deadlineMs) {
      warm();
      if (!memory.reading) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return memory.reputation;
  };

  const standingIn = (reputation: LocalReputation, address: Address, nowMs: number): Standing => {
    const standing = reputation.standing(address, nowMs);
    if (standing.stale !== undefined) announceStale(memory.announced, reputation.status(nowMs), onStale);
    return standing;
  };

  return {
    get configured(): boolean {
      return memory.reputation?.configured ?? true;
    },
    standing(address, nowMs) {
      if (memory.reputation !== null) return standingIn(memory.reputation, address, nowMs);
      if (address.kind !== 'public') return NO_REPUTATION.standing(address, nowMs);
      return waited().then((reputation) =>
        reputation === null ? UNAVAILABLE : standingIn(reputation, address, nowMs),
      );
    },
    status(nowMs) {
      if (memory.reputation !== null) return memory.reputation.status(nowMs);
      return memory.problem === null ? [] : [unread(memory.problem)];
    },
    warm,
  };
}

/** Time that one reader has before another begins, and back-off after a failed read, in milliseconds. */
const TURN_MS = 2_000;
const LOOK_MS = 5;

const UNAVAILABLE: Standing = { categories: null, lists: [], asn: null, why: 'lists_unavailable' };

/** A list whose bytes are damaged is reported and left out, as on Node; one that cannot be fetched makes the whole reading fail. */
async function readLists(read: ReadFile): Promise<{ lists: CompiledList[]; broken: BrokenList[] }> {
  const { files } = await readManifest(read, LISTS_MANIFEST);
  const lists: CompiledList[] = [];
  const broken: BrokenList[] = [];
  await Promise.all(
    files.map(async (file) => {
      const [source] = file;
      const name = source.slice(0, -DATA_SUFFIX.length);
      try {
        lists.push(decodeList(await readListed(read, file, LIST), name));
      } catch (error) {
        if (!(error instanceof DataError) || error.code === `${LIST.code}_missing`) throw error;
        broken.push({ name, source, problem: { code: error.code, message: error.message } });
      }
    }),
  );
  return { lists, broken };
}

/** The one line of the status while the lists themselves say nothing. */
function unread(problem: string): ListStatus {
  return {
    name: 'lists',
    category: 'unreadable',
    source: MANIFEST_FILE,
    updatedAtMs: 0,
    ageDays: 0,
    maxAgeDays: 0,
    ranges: 0,
    judged: false,
    problem,
  };
}
