import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import type { Address } from '../../model/address.ts';
import type { ListStatus, LocalReputation, Standing } from '../../model/reputation.ts';
import { isMissingFile } from '../missing-file.ts';
import { COMPILED_SUFFIX, decodeList, encodeList } from './compiled-list.ts';
import { DEFAULT_FEEDS } from './default-feeds.ts';
import { DEFAULT_FEED_MAX_BYTES, DEFAULT_FEED_TIMEOUT_MS, fetchFeed, REDIRECT_PROBLEMS } from './feeds.ts';
import type { ListConfig } from './list-config.ts';
import { ListError, type ListProblem } from './list-text.ts';
import { type CompiledList, compileList, type ListOrigin, listConfigSchema, recipeOf } from './lists.ts';
import { type BrokenList, createReputation, NO_REPUTATION, tellStale } from './standing.ts';

/** Any error as a problem; one that is no {@link ListError} came from the disk. */
function asProblem(error: unknown): ListProblem {
  if (error instanceof ListError) return { code: error.code, message: error.message };
  return { code: 'list_io', message: error instanceof Error ? error.message : String(error) };
}

/** Name of the file beside the compiled lists that says which lists there are. */
const FEEDS_FILE = 'feeds.json';

const feedsSchema = z.strictObject({
  version: z.literal(1),
  /** False leaves the default feeds out altogether. */
  defaults: z.boolean().default(true),
  /** Names of default feeds that are left out. */
  disabled: z.array(z.string()).default([]),
  /** Lists added to the default feeds, or replacing those of the same name. */
  lists: z.array(listConfigSchema).default([]),
});

/**
 * The configured lists: the default feeds, changed by `feeds.json` in the lists' directory where there is one.
 *
 * @throws ListError `feeds_invalid` with the path of what is wrong.
 */
export async function readFeeds(dir: string): Promise<readonly ListConfig[]> {
  const path = join(dir, FEEDS_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissingFile(error)) return DEFAULT_FEEDS;
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ListError('feeds_invalid', `${path}: not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = feedsSchema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
    throw new ListError('feeds_invalid', `${path}: ${issues.join('; ')}`);
  }
  const { defaults, disabled, lists } = parsed.data;
  const known = DEFAULT_FEEDS.map((feed) => feed.name);
  const stranger = disabled.find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new ListError(
      'feeds_invalid',
      `${path}: disabled: "${stranger}" is no default feed; these are ${known.join(', ')}`,
    );
  }
  const names = lists.map((list) => list.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ListError('feeds_invalid', `${path}: lists: "${twice}" is configured twice`);
  const kept = defaults
    ? DEFAULT_FEEDS.filter((feed) => !disabled.includes(feed.name) && !names.includes(feed.name))
    : [];
  return [...kept, ...lists];
}

const compiledPath = (dir: string, name: string): string => join(dir, `${name}${COMPILED_SUFFIX}`);

/**
 * Reads one compiled list and checks all of it.
 *
 * @throws ListError
 */
export async function readCompiled(path: string, name: string): Promise<CompiledList> {
  const list = decodeList(await readFile(path));
  if (list.meta.name !== name) {
    throw new ListError('list_file_foreign', `holds the list "${list.meta.name}"; a list's file bears its name`);
  }
  return list;
}

/** Writes beside the target, reads it back and renames: whoever reads meanwhile sees the old version or the new one. */
async function writeCompiled(dir: string, list: CompiledList): Promise<void> {
  const target = compiledPath(dir, list.meta.name);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(encodeList(list));
      await file.sync();
    } finally {
      await file.close();
    }
    await readCompiled(temporary, list.meta.name);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The text of a list and where it came from. */
export interface ListInput extends ListOrigin {
  readonly config: ListConfig;
  readonly text: string;
}

/** What became of one list. */
export interface ListOutcome {
  readonly name: string;
  /**
   * `built`: a new version is in force. `unchanged`: the source has nothing newer. `refused`: the new version does not pass the
   * guards, or the source redirects elsewhere; `unavailable`: there is no new version. After the last two the old one goes on.
   */
  readonly outcome: 'built' | 'unchanged' | 'refused' | 'unavailable';
  readonly problem: ListProblem | null;
  /** Entries of the version in force after this; null when there is none. */
  readonly entries: number | null;
  /** Private, shared and reserved entries that the version in force left out. */
  readonly notPublic: number;
}

/** One step of a long run. */
export interface ListProgress {
  readonly name: string;
  /** Position from 1. */
  readonly index: number;
  readonly total: number;
  readonly step: 'started' | 'finished';
  /** Set when finished. */
  readonly outcome: ListOutcome | null;
}

/** Where compiled lists go, and whom to tell. */
export interface BuildOptions {
  /** Directory of the compiled lists; made when it is missing. */
  readonly dir: string;
  /** Accept versions that shrank below half. Default false. */
  readonly acceptShrink?: boolean;
  readonly onProgress?: (progress: ListProgress) => void;
}

/** The version in use; null when there is none. A file that cannot be read is no version to compare with: it is replaced. */
async function previousOf(dir: string, name: string): Promise<CompiledList | null> {
  try {
    return await readCompiled(compiledPath(dir, name), name);
  } catch (error) {
    if (isMissingFile(error) || error instanceof ListError) return null;
    throw error;
  }
}

async function buildOne(input: ListInput, previous: CompiledList | null, options: BuildOptions): Promise<ListOutcome> {
  try {
    const known = options.acceptShrink === true ? null : (previous?.meta ?? null);
    const list = compileList(input.text, input.config, input, known);
    await writeCompiled(options.dir, list);
    const { name, entries, notPublic } = list.meta;
    return { name, outcome: 'built', problem: null, entries, notPublic };
  } catch (error) {
    return keepOld(input.config.name, 'refused', asProblem(error), previous);
  }
}

function keepOld(
  name: string,
  outcome: 'refused' | 'unavailable' | 'unchanged',
  problem: ListProblem | null,
  previous: CompiledList | null,
): ListOutcome {
  return { name, outcome, problem, entries: previous?.meta.entries ?? null, notPublic: previous?.meta.notPublic ?? 0 };
}

/** Runs one step per list in turn, telling progress. */
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
 * Compiles lists whose text is at hand and puts them in force one by one. A version that does not pass the guards, or that
 * cannot be written, is reported as `refused` and changes nothing.
 */
export async function buildLists(inputs: readonly ListInput[], options: BuildOptions): Promise<readonly ListOutcome[]> {
  return inTurn(
    inputs,
    (input) => input.config.name,
    options,
    async (input) => buildOne(input, await previousOf(options.dir, input.config.name), options),
  );
}

/** Whether a source is fetched; every other one is a file. */
export const isUrl = (source: string): boolean => /^https?:\/\//i.test(source);

/** Reads a list whose source is a path, relative to `dir`. The data is as old as the file. */
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
  /** Budget of one feed. Default 30 s. */
  readonly timeoutMs?: number;
  /** Greatest size of one feed. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** When the data was made: as the server says, but never in the future; else now. */
function dataTime(lastModified: string | null, nowMs: number): number {
  const told = lastModified === null ? Number.NaN : Date.parse(lastModified);
  return Number.isFinite(told) ? Math.min(told, nowMs) : nowMs;
}

async function updateOne(config: ListConfig, options: UpdateOptions): Promise<ListOutcome> {
  const previous = await previousOf(options.dir, config.name);
  if (!isUrl(config.source)) {
    try {
      return await buildOne(await readListFile(config, options.dir), previous, options);
    } catch (error) {
      return keepOld(config.name, 'unavailable', asProblem(error), previous);
    }
  }
  // Validators belong to the text that was fetched from this very source and read in this very way.
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
  if (previous === null) throw new ListError('feed_status', 'answered 304 though no version is in use');
  // Where the server dates nothing, its word that nothing changed is what makes the data as of now.
  const updatedAtMs = dataTime(previous.meta.lastModified, options.nowMs);
  const meta = { ...previous.meta, updatedAtMs, maxAgeDays: config.maxAgeDays };
  await writeCompiled(options.dir, { meta, set: previous.set });
  return keepOld(config.name, 'unchanged', null, previous);
}

/**
 * Brings lists up to date, one after the other: feeds over HTTP(S) conditionally, files from disk. Never throws for a list:
 * whatever is wrong with one is its outcome, its old version goes on, and the others are still done.
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
        return keepOld(config.name, 'unavailable', asProblem(error), null);
      }
    },
  );
}

/** What a directory holds, and a fingerprint of its files that changes with any of them. */
interface Loaded {
  readonly lists: readonly CompiledList[];
  readonly broken: readonly BrokenList[];
}

/** Names of the compiled lists of a directory, sorted; none where it is missing. */
export async function compiledNames(dir: string): Promise<readonly string[]> {
  try {
    const files = await readdir(dir);
    return files
      .filter((file) => file.endsWith(COMPILED_SUFFIX))
      .map((file) => file.slice(0, -COMPILED_SUFFIX.length))
      .sort();
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
}

async function fingerprint(dir: string): Promise<string> {
  const names = await compiledNames(dir);
  const stats = await Promise.all(
    names.map(async (name) => {
      try {
        const { ino, size, mtimeMs } = await stat(compiledPath(dir, name));
        return `${name} ${ino} ${size} ${mtimeMs}`;
      } catch (error) {
        // Removed since the directory was read: the next look sees it gone.
        if (isMissingFile(error)) return `${name} gone`;
        throw error;
      }
    }),
  );
  return stats.join('\n');
}

async function load(dir: string, old: readonly CompiledList[]): Promise<Loaded> {
  const lists: CompiledList[] = [];
  const broken: BrokenList[] = [];
  for (const name of await compiledNames(dir)) {
    try {
      lists.push(await readCompiled(compiledPath(dir, name), name));
    } catch (error) {
      broken.push({ name, source: compiledPath(dir, name), problem: asProblem(error) });
      const before = old.find((list) => list.meta.name === name);
      if (before !== undefined) lists.push(before);
    }
  }
  return { lists, broken };
}

/**
 * Loads every compiled list of a directory. A file that cannot be used is reported by `status` with its problem, and the others
 * are used. A directory that is missing or holds no list gives a reputation that is not configured.
 */
export async function loadReputation(dir: string): Promise<LocalReputation> {
  const { lists, broken } = await load(dir, []);
  return createReputation(lists, broken);
}

/** A reputation that follows its directory. */
export interface WatchedReputation {
  /** Always the lists in force; hold on to it, it changes underneath. */
  readonly reputation: LocalReputation;
  /** Takes over what is on disk now. A list whose file broke goes on in its old version. */
  reload(): Promise<void>;
  /** Stops watching. */
  close(): void;
}

/** How often the directory of the lists is looked at, in ms. */
export const LISTS_LOOKED_AT_MS = 5_000;

/** Whom to tell what becomes of lists that changed on disk. */
export interface WatchOptions {
  /** How often the directory is looked at. Default 5,000 ms. Looking works on network and container mounts, where events do not. */
  readonly intervalMs?: number;
  /** Called after each take-over. */
  readonly onReload?: (reputation: LocalReputation) => void;
  /** Called once for each list that is past its age, when that is noticed. */
  readonly onStale?: (list: ListStatus) => void;
  /** Real clock, epoch milliseconds; it decides which lists are past their age. Without it `onStale` is never called. */
  readonly now?: () => number;
  /** Called when the directory cannot be read; the lists in force go on. */
  readonly onProblem?: (problem: ListProblem) => void;
}

/** Loads the lists of a directory and takes over rebuilt ones without a restart. Does not keep the process alive. */
export async function watchReputation(dir: string, options: WatchOptions = {}): Promise<WatchedReputation> {
  let loaded: Loaded = { lists: [], broken: [] };
  let current: LocalReputation = NO_REPUTATION;
  let seen = '';
  const takeOver = async (): Promise<void> => {
    // Read before the files: a change in between makes the next look see a difference and load again.
    seen = await fingerprint(dir);
    loaded = await load(dir, loaded.lists);
    current = createReputation(loaded.lists, loaded.broken);
  };
  const told = new Set<string>();
  const lookAtAges = (): void => {
    const { now, onStale } = options;
    if (now !== undefined && onStale !== undefined) tellStale(told, current.status(now()), onStale);
  };
  await takeOver();
  lookAtAges();
  let running: Promise<void> = Promise.resolve();
  const reload = (): Promise<void> => {
    const next = running.then(async () => {
      await takeOver();
      options.onReload?.(current);
    });
    // The queue goes on after a failed reload; whoever asked for that reload gets its error.
    running = next.catch(() => undefined);
    return next;
  };
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      if ((await fingerprint(dir)) !== seen) await reload();
      lookAtAges();
    } catch (error) {
      options.onProblem?.(asProblem(error));
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look(), options.intervalMs ?? LISTS_LOOKED_AT_MS);
  timer.unref();
  return {
    reputation: {
      get configured(): boolean {
        return current.configured;
      },
      standing: (address: Address, nowMs: number): Standing => current.standing(address, nowMs),
      status: (nowMs: number): readonly ListStatus[] => current.status(nowMs),
    },
    reload,
    close: () => clearInterval(timer),
  };
}
