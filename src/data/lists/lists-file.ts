import { mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../../model/error-text.ts';
import type { ListStatus, LocalReputation } from '../../model/reputation.ts';
import { DATA_SUFFIX } from '../container.ts';
import { DataError, type DataProblem } from '../data-error.ts';
import { fileNames, isMissing, publish, readBytes, replaceFile, versionOf } from '../directory.ts';
import { type Live, live } from '../live.ts';
import { manifestOf } from '../manifest.ts';
import { DEFAULT_FEEDS } from './default-feeds.ts';
import { DEFAULT_FEED_MAX_BYTES, DEFAULT_FEED_TIMEOUT_MS, fetchFeed, REDIRECT_PROBLEMS } from './feeds.ts';
import type { ListConfig } from './list-config.ts';
import { decodeList, encodeList } from './list-file.ts';
import { type CompiledList, compileList, type ListMeta, type ListOrigin, listConfigSchema, recipeOf } from './lists.ts';
import { announceStale, type BrokenList, createReputation } from './standing.ts';

/** Any error as a problem; other than a {@link DataError}, it came from the disk. */
function problemOf(error: unknown): DataProblem {
  return { code: error instanceof DataError ? error.code : 'list_io', message: messageOf(error) };
}

/** Name of the configuration file next to the compiled lists. */
const FEEDS_FILE = 'feeds.json';

const feedsSchema = z.strictObject({
  version: z.literal(1),
  /** False disables all default feeds. */
  defaults: z.boolean().default(true),
  /** Names of disabled default feeds. */
  disabled: z.array(z.string()).default([]),
  /** Lists in addition to the default feeds, or in place of those with the same name. */
  lists: z.array(listConfigSchema).default([]),
});

/**
 * The configured lists: the default feeds, as changed by `feeds.json` in the lists' directory.
 *
 * @throws DataError `feeds_invalid` with the path of the fault
 */
export async function readFeeds(dir: string): Promise<readonly ListConfig[]> {
  const path = join(dir, FEEDS_FILE);
  const bytes = await readBytes(path);
  if (bytes === null) return DEFAULT_FEEDS;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new DataError('feeds_invalid', `${path}: not JSON: ${messageOf(error)}`);
  }
  const parsed = feedsSchema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
    throw new DataError('feeds_invalid', `${path}: ${issues.join('; ')}`);
  }
  const { defaults, disabled, lists } = parsed.data;
  const known = DEFAULT_FEEDS.map((feed) => feed.name);
  const unknownName = disabled.find((name) => !known.includes(name));
  if (unknownName !== undefined) {
    throw new DataError(
      'feeds_invalid',
      `${path}: disabled: "${unknownName}" is not a default feed; the default feeds are ${known.join(', ')}`,
    );
  }
  const names = lists.map((list) => list.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new DataError('feeds_invalid', `${path}: lists: "${twice}" is configured twice`);
  const kept = defaults
    ? DEFAULT_FEEDS.filter((feed) => !disabled.includes(feed.name) && !names.includes(feed.name))
    : [];
  return [...kept, ...lists];
}

const pathOf = (dir: string, name: string): string => join(dir, `${name}${DATA_SUFFIX}`);

/**
 * Reads one compiled list and checks all of it; null if it does not exist.
 *
 * @throws DataError
 */
async function readCompiled(dir: string, name: string): Promise<CompiledList | null> {
  const bytes = await readBytes(pathOf(dir, name));
  return bytes && decodeList(bytes, name);
}

const writeCompiled = (dir: string, list: CompiledList): Promise<void> =>
  replaceFile(pathOf(dir, list.meta.name), encodeList(list));

/** The text of a list and its source. */
export interface ListInput extends ListOrigin {
  readonly config: ListConfig;
  readonly text: string;
}

/** The result for one list. */
export interface ListOutcome {
  readonly name: string;
  /**
   * `built`: a new version is active. `unchanged`: the source has nothing newer. `refused`: the new version fails the guards, or the
   * source redirects elsewhere; `unavailable`: there is no new version. In the last two cases the old version stays active.
   */
  readonly outcome: 'built' | 'unchanged' | 'refused' | 'unavailable';
  readonly problem: DataProblem | null;
  /** Entries of the active version afterwards; null if there is none. */
  readonly entries: number | null;
  /** Private, shared and reserved entries that the active version left out. */
  readonly notPublic: number;
}

/** One step of a long run. */
export interface ListProgress {
  readonly name: string;
  /** Position from 1. */
  readonly index: number;
  readonly total: number;
  readonly step: 'started' | 'finished';
  /** Set when the step is finished. */
  readonly outcome: ListOutcome | null;
}

/** Output directory, and callbacks. */
export interface BuildOptions {
  /** Directory of the compiled lists; created if missing. */
  readonly dir: string;
  /** Accept versions that shrank below half. Default false. */
  readonly acceptShrink?: boolean;
  readonly onProgress?: (progress: ListProgress) => void;
}

/** The current version; null if there is none. An unusable file is replaced, not compared with. */
async function previousOf(dir: string, name: string): Promise<CompiledList | null> {
  return readCompiled(dir, name).catch((error: unknown) => {
    if (error instanceof DataError) return null;
    throw error;
  });
}

async function buildOne(input: ListInput, previous: CompiledList | null, options: BuildOptions): Promise<ListOutcome> {
  try {
    const known = options.acceptShrink === true ? null : (previous?.meta ?? null);
    const list = compileList(input.text, input.config, input, known);
    await writeCompiled(options.dir, list);
    const { name, entries, notPublic } = list.meta;
    return { name, outcome: 'built', problem: null, entries, notPublic };
  } catch (error) {
    return keepOld(input.config.name, 'refused', problemOf(error), previous);
  }
}

function keepOld(
  name: string,
  outcome: 'refused' | 'unavailable' | 'unchanged',
  problem: DataProblem | null,
  previous: CompiledList | null,
): ListOutcome {
  return { name, outcome, problem, entries: previous?.meta.entries ?? null, notPublic: previous?.meta.notPublic ?? 0 };
}

/** Runs one step per list in turn and reports progress. */
async function inTurn<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  options: BuildOptions,
  step: (item: T) => Promise<ListOutcome>,
): Promise<readonly ListOutcome[]> {
  await mkdir(options.dir, { recursive: true });
  const outcomes: ListOutcome[] = [];
  for (const item of items) {
    const place = { name: nameOf(item), index: outcomes.length + 1, total: items.length };
    options.onProgress?.({ ...place, step: 'started', outcome: null });
    const outcome = await step(item);
    outcomes.push(outcome);
    options.onProgress?.({ ...place, step: 'finished', outcome });
  }
  return outcomes;
}

/**
 * Compiles lists whose text is given and activates them one by one. A version that fails the guards, or that cannot be written, is
 * reported as `refused` and changes nothing.
 */
export async function buildLists(inputs: readonly ListInput[], options: BuildOptions): Promise<readonly ListOutcome[]> {
  return inTurn(
    inputs,
    (input) => input.config.name,
    options,
    async (input) => buildOne(input, await previousOf(options.dir, input.config.name), options),
  );
}

/** Whether a source is fetched; any other source is a file. */
export const isUrl = (source: string): boolean => /^https?:\/\//i.test(source);

/** Reads a list from a path relative to `dir`. The data has the time of the file. */
export async function readListFile(config: ListConfig, dir: string): Promise<ListInput> {
  const path = resolve(dir, config.source);
  const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
  return { config, text, updatedAtMs: Math.floor(mtimeMs), etag: null, lastModified: null };
}

/** How feeds are fetched. */
export interface UpdateOptions extends BuildOptions {
  /** The real clock, epoch milliseconds. */
  readonly nowMs: number;
  readonly fetch: typeof globalThis.fetch;
  /** Timeout of one feed. Default 30 s. */
  readonly timeoutMs?: number;
  /** Maximum size of one feed. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** Time of the data: as the server states it, but not in the future; otherwise now. */
function dataTime(lastModified: string | null, nowMs: number): number {
  const stated = lastModified === null ? Number.NaN : Date.parse(lastModified);
  return Number.isFinite(stated) ? Math.min(stated, nowMs) : nowMs;
}

async function updateOne(config: ListConfig, options: UpdateOptions): Promise<ListOutcome> {
  const previous = await previousOf(options.dir, config.name);
  if (!isUrl(config.source)) {
    try {
      return await buildOne(await readListFile(config, options.dir), previous, options);
    } catch (error) {
      return keepOld(config.name, 'unavailable', problemOf(error), previous);
    }
  }
  // Validators are valid only for this source, read in the same way.
  const same = previous !== null && previous.meta.source === config.source && previous.meta.recipe === recipeOf(config);
  const fetched = await fetchFeed(config.source, {
    etag: same ? previous.meta.etag : null,
    lastModified: same ? previous.meta.lastModified : null,
    timeoutMs: options.timeoutMs ?? DEFAULT_FEED_TIMEOUT_MS,
    maxBytes: options.maxBytes ?? DEFAULT_FEED_MAX_BYTES,
    fetch: options.fetch,
  });
  if (fetched.outcome === 'problem') {
    const { problem } = fetched;
    return keepOld(
      config.name,
      REDIRECT_PROBLEMS.includes(problem.code) ? 'refused' : 'unavailable',
      problem,
      previous,
    );
  }
  if (fetched.outcome === 'new') {
    const { text, etag, lastModified } = fetched;
    const updatedAtMs = dataTime(lastModified, options.nowMs);
    return buildOne({ config, text, etag, lastModified, updatedAtMs }, previous, options);
  }
  if (previous === null) throw new DataError('feed_status', 'answered 304 although there is no current version');
  // Without a date from the server, an answer of "not modified" makes the data current.
  const updatedAtMs = dataTime(previous.meta.lastModified, options.nowMs);
  const meta = { ...previous.meta, updatedAtMs, maxAgeDays: config.maxAgeDays };
  await writeCompiled(options.dir, { meta, set: previous.set });
  return keepOld(config.name, 'unchanged', null, previous);
}

/**
 * Updates lists, one after the other: feeds over HTTP(S) conditionally, files from disk. Never throws for a list: a failure is its
 * outcome, its old version stays active, and the other lists are still updated.
 */
export async function updateLists(
  configs: readonly ListConfig[],
  options: UpdateOptions,
): Promise<readonly ListOutcome[]> {
  return inTurn(
    configs,
    (config) => config.name,
    options,
    async (config) => {
      try {
        return await updateOne(config, options);
      } catch (error) {
        return keepOld(config.name, 'unavailable', problemOf(error), null);
      }
    },
  );
}

const isList = (file: string): boolean => file.endsWith(DATA_SUFFIX);

/** Names of the compiled lists of a directory, sorted; none if it is missing. */
const compiledNames = async (dir: string): Promise<readonly string[]> =>
  (await fileNames(dir, isList)).map((file) => file.slice(0, -DATA_SUFFIX.length));

/**
 * Publishes the compiled lists of a directory for a Worker. Removes lists that are no longer built.
 *
 * @throws DataError if a compiled list is damaged, so that no deployment silently loses a list
 */
export async function publishLists(dir: string, out: string): Promise<readonly ListMeta[]> {
  const lists = await Promise.all((await compiledNames(dir)).map((name) => readCompiled(dir, name)));
  const found = lists.filter((list) => list !== null);
  const files = found.map((list) => [`${list.meta.name}${DATA_SUFFIX}`, encodeList(list)] as const);
  await publish(out, files, manifestOf({}, files));
  return found.map(({ meta }) => meta);
}

/** The content of a directory. */
interface Loaded {
  readonly lists: readonly CompiledList[];
  readonly reputation: LocalReputation;
}

/** If a file is unusable, the list of that name stays as it was. */
async function load(dir: string, before: readonly CompiledList[]): Promise<Loaded> {
  const lists: CompiledList[] = [];
  const broken: BrokenList[] = [];
  for (const name of await compiledNames(dir)) {
    try {
      const list = await readCompiled(dir, name);
      if (list !== null) lists.push(list);
    } catch (error) {
      broken.push({ name, source: pathOf(dir, name), problem: problemOf(error) });
      lists.push(...before.filter(({ meta }) => meta.name === name));
    }
  }
  return { lists, reputation: createReputation(lists, broken) };
}

/**
 * Loads every compiled list of a directory. An unusable file is reported by `status`, and the other lists are used. Without a directory
 * or lists the reputation is not configured.
 */
export async function loadReputation(dir: string): Promise<LocalReputation> {
  return (await load(dir, [])).reputation;
}

/** A reputation that follows its directory: always the active lists. */
export type LiveReputation = Pick<Live<unknown>, 'problem' | 'reload' | 'close'> & {
  readonly reputation: LocalReputation;
};

/** Poll interval for the directory of the lists, in milliseconds. */
export const LISTS_LOOKED_AT_MS = 5_000;

/** Callbacks for lists that changed on disk. */
export interface WatchOptions {
  /** Poll interval. Default 5,000 ms. */
  readonly intervalMs?: number;
  /** Called after new lists were loaded. */
  readonly onReload?: (reputation: LocalReputation) => void;
  /** Called once for each list that becomes too old. */
  readonly onStale?: (list: ListStatus) => void;
  /** Real clock, epoch milliseconds, to find lists that are too old. Without it `onStale` is never called. */
  readonly now?: () => number;
  /** Called when the directory cannot be read; the active lists stay. */
  readonly onProblem?: (problem: DataProblem) => void;
}

/** Loads the lists of a directory and reloads them without a restart. Does not keep the process alive. */
export async function watchReputation(dir: string, options: WatchOptions = {}): Promise<LiveReputation> {
  const { intervalMs = LISTS_LOOKED_AT_MS, onReload, onStale, now, onProblem } = options;
  const version = await versionOf(dir, isList);
  const following = live<Loaded, string | null>({
    version: async () => {
      announce();
      return versionOf(dir, isList);
    },
    load: async (found, { lists }) => {
      // Removed lists are gone, but a missing directory may come back.
      if (found === null && lists.length > 0 && (await isMissing(dir))) {
        throw new DataError(
          'lists_dir_missing',
          `${dir} does not exist; mount it again, or set IP_LISTS_DIR to another`,
        );
      }
      return load(dir, lists);
    },
    first: { version, value: await load(dir, []) },
    intervalMs,
    onSwap: ({ reputation }) => {
      onReload?.(reputation);
      announce();
    },
    onProblem: (error) => onProblem?.(problemOf(error)),
  });
  const announced = new Set<string>();
  const announce = (): void => {
    if (now !== undefined && onStale !== undefined) {
      announceStale(announced, following.current().reputation.status(now()), onStale);
    }
  };
  announce();
  return {
    reputation: {
      get configured(): boolean {
        return following.current().reputation.configured;
      },
      standing: (address, nowMs) => following.current().reputation.standing(address, nowMs),
      status: (nowMs) => following.current().reputation.status(nowMs),
    },
    problem: following.problem,
    reload: following.reload,
    close: following.close,
  };
}
