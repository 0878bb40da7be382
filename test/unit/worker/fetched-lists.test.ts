import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { encodeContainer } from '../../../src/data/container.ts';
import { LIST } from '../../../src/data/lists/list-file.ts';
import { listConfigSchema } from '../../../src/data/lists/lists.ts';
import { buildLists, publishLists } from '../../../src/data/lists/lists-file.ts';
import { formatManifest, MANIFEST_FILE, manifestOf, type ReadFile } from '../../../src/data/manifest.ts';
import { parseAddress } from '../../../src/net/ip.ts';
import { fetchedLists, listMemory } from '../../../src/worker/fetched-lists.ts';

const NOW = Date.UTC(2026, 10, 25);
const DAY = 86_400_000;

let scratch: string;
let files: Map<string, Buffer>;

const list = (name: string, category: string, text: string, daysOld = 0) => ({
  config: listConfigSchema.parse({ name, category, format: 'text', source: `${name}.txt`, max_age_days: 7 }),
  text,
  updatedAtMs: NOW - daysOld * DAY,
  etag: null,
  lastModified: null,
});

async function read(dir: string): Promise<Map<string, Buffer>> {
  const names = await readdir(dir);
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name))] as const)));
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'stepgate-fetched-'));
  const dir = join(scratch, 'ip');
  await buildLists([list('exits', 'tor', '8.8.8.8\n2a00:1450::1\n'), list('bad', 'attack', '9.9.9.9\n', 6)], { dir });
  await publishLists(dir, join(scratch, 'assets'));
  files = await read(join(scratch, 'assets'));
});
afterAll(() => rm(scratch, { recursive: true }));
afterEach(() => vi.useRealTimers());

/** The text of a manifest that lists files of these names. */
const manifestText = (...names: readonly string[]): string =>
  formatManifest(
    manifestOf(
      {},
      names.map((name) => [name, encodeContainer(LIST, [])] as const),
    ),
  );

function rig(from: ReadonlyMap<string, Buffer> | ReadFile = files, timeoutMs = 5_000) {
  const fetched: string[] = [];
  const problems: string[] = [];
  const kept: Promise<void>[] = [];
  const stale: string[] = [];
  const memory = listMemory();
  const read: ReadFile = async (name) => {
    fetched.push(name);
    if (typeof from === 'function') return from(name);
    const bytes = from.get(name);
    return bytes === undefined ? null : new Uint8Array(bytes);
  };
  const lists = fetchedLists({
    memory,
    read,
    now: () => Date.now(),
    timeoutMs,
    keepAlive: (reading) => kept.push(reading),
    onProblem: (problem) => problems.push(problem),
    onStale: ({ name }) => stale.push(name),
  });
  const standing = (text: string, nowMs = NOW) => {
    const address = parseAddress(text);
    if (address === null) throw new Error(`${text} is no address`);
    return lists.standing(address, nowMs);
  };
  return { fetched, problems, kept, stale, memory, lists, standing };
}

const UNAVAILABLE = { categories: null, lists: [], asn: null, why: 'lists_unavailable' };

describe('lists that lie beside the program', () => {
  test('Lists that lie beside the program are read once, by the first check, and then answer from memory', async () => {
    const { standing, fetched, kept } = rig();
    const first = await Promise.all([
      standing('8.8.8.8'),
      standing('9.9.9.9'),
      standing('81.2.69.160'),
      standing('2a00:1450::1'),
    ]);
    expect(first).toEqual([
      { categories: ['tor'], lists: ['exits'], asn: null },
      { categories: ['attack'], lists: ['bad'], asn: null },
      { categories: [], lists: [], asn: null },
      { categories: ['tor'], lists: ['exits'], asn: null },
    ]);
    expect(fetched.toSorted()).toEqual(['bad.sgip', 'exits.sgip', MANIFEST_FILE]);
    expect(kept).toHaveLength(1);
    expect(standing('8.8.8.8')).not.toBeInstanceOf(Promise);
  });

  test('Lists that lie beside the program are no longer judged by once they are too old, as on Node', async () => {
    const { standing, lists, stale } = rig();
    expect(await standing('9.9.9.9', NOW + 2 * DAY)).toEqual({
      categories: [],
      lists: [],
      asn: null,
      stale: { lists: ['bad'], categories: ['attack'], holds: true },
    });
    await standing('8.8.8.8', NOW + 3 * DAY);
    expect(stale).toEqual(['bad']);
    expect(lists.status(NOW + 2 * DAY).map(({ name, judged }) => [name, judged])).toEqual([
      ['bad', false],
      ['exits', true],
    ]);
  });

  test('Lists that lie beside the program tell of an inner address at once, before anything is read', () => {
    const { standing, fetched } = rig();
    expect(standing('10.1.2.3')).toEqual({ categories: ['private'], lists: [], asn: null });
    expect(fetched).toEqual([]);
  });

  test('Missing lists leave every address unknown, not clean', async () => {
    const empty = new Map([[MANIFEST_FILE, Buffer.from(manifestText())]]);
    const { standing, lists } = rig(empty);
    expect(await standing('8.8.8.8')).toEqual({ categories: null, lists: [], asn: null });
    expect(lists.configured).toBe(false);
  });

  test('Lists of which one is damaged are used without it, and it is named', async () => {
    const damaged = new Map(files);
    const exits = Buffer.from(files.get('exits.sgip') ?? []);
    exits[exits.length - 6] = 255 - (exits[exits.length - 6] ?? 0);
    damaged.set('exits.sgip', exits);
    const { standing, lists, problems } = rig(damaged);
    expect(await standing('9.9.9.9')).toMatchObject({ lists: ['bad'] });
    expect(await standing('8.8.8.8')).toMatchObject({ categories: [] });
    expect(lists.status(NOW)).toContainEqual(expect.objectContaining({ name: 'exits', category: 'unreadable' }));
    expect(problems).toEqual([expect.stringMatching(/^exits.sgip checksum/)]);
  });

  test('Lists under another name than their own are not used', async () => {
    const swapped = new Map(files).set('exits.sgip', files.get('bad.sgip') ?? Buffer.alloc(0));
    const { lists, standing } = rig(swapped);
    await standing('9.9.9.9');
    expect(lists.status(NOW)).toContainEqual(expect.objectContaining({ name: 'exits', category: 'unreadable' }));
  });
});

describe('lists that cannot be had', () => {
  test.each([
    ['the index is missing', new Map<string, Buffer>(), /there is no manifest.json/],
    ['the index is cut', new Map([[MANIFEST_FILE, Buffer.from('{"format":')]]), /manifest.json is not JSON/],
    [
      'the index names less than it did',
      new Map([[MANIFEST_FILE, Buffer.from(manifestText('a.sgip', 'b.sgip').replace(/\s*\["a.sgip".*/, ''))]]),
      /does not match its checksum/,
    ],
    [
      'the index names what is no list',
      new Map([[MANIFEST_FILE, Buffer.from(manifestText('../geo/manifest.json'))]]),
      /another shape/,
    ],
    ['a list is missing', new Map([[MANIFEST_FILE, Buffer.from(manifestText('gone.sgip'))]]), /there is no gone.sgip/],
  ])('Lists that cannot be fetched are a failure and not an answer, when %s', async (_what, broken, problem) => {
    const { standing, lists, problems } = rig(broken);
    expect(await standing('8.8.8.8')).toEqual(UNAVAILABLE);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(lists.status(NOW)).toMatchObject([
      { name: 'lists', category: 'unreadable', problem: expect.stringMatching(problem) },
    ]);
  });

  test('Lists that cannot be fetched are not waited for again right away, and fetched again a little later', async () => {
    vi.useFakeTimers();
    let failing = true;
    const { standing, fetched } = rig(async (name) => {
      if (failing) throw new Error('network lost');
      return new Uint8Array(files.get(name) ?? []);
    });
    const first = standing('8.8.8.8');
    await vi.advanceTimersByTimeAsync(10);
    expect(await first).toEqual(UNAVAILABLE);
    failing = false;
    expect(await standing('8.8.8.8')).toEqual(UNAVAILABLE);
    expect(fetched).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    const later = standing('8.8.8.8');
    await vi.advanceTimersByTimeAsync(10);
    expect(await later).toMatchObject({ lists: ['exits'] });
  });

  /** @see https://github.com/Laarryy/Anti-VPN/issues/47 */
  test('Lists that cannot be fetched delay a check no longer than the limit, and another check takes over from a stuck reader', async () => {
    vi.useFakeTimers();
    let stuck = true;
    const { standing } = rig(
      (name) => (stuck ? new Promise(() => undefined) : Promise.resolve(new Uint8Array(files.get(name) ?? []))),
      100,
    );
    const first = standing('8.8.8.8');
    await vi.advanceTimersByTimeAsync(105);
    expect(await first).toEqual(UNAVAILABLE);
    stuck = false;
    await vi.advanceTimersByTimeAsync(2_000);
    const later = standing('8.8.8.8');
    await vi.advanceTimersByTimeAsync(10);
    expect(await later).toMatchObject({ lists: ['exits'] });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('publishing', () => {
  test('Publishing changes nothing that is up to date, and takes away what is no longer built', async () => {
    const dir = join(scratch, 'changing');
    const out = join(scratch, 'changing-assets');
    await buildLists([list('a', 'tor', '8.8.8.8\n'), list('b', 'vpn', '9.9.9.9\n')], { dir });
    expect((await publishLists(dir, out)).map(({ name }) => name)).toEqual(['a', 'b']);
    const { mtimeMs } = await stat(join(out, 'a.sgip'));
    await rm(join(dir, 'b.sgip'));
    await publishLists(dir, out);
    expect((await readdir(out)).sort()).toEqual(['a.sgip', MANIFEST_FILE]);
    expect((await stat(join(out, 'a.sgip'))).mtimeMs).toBe(mtimeMs);
  });

  test('Publishing without any list leaves an index that says so', async () => {
    const out = join(scratch, 'none-assets');
    expect(await publishLists(join(scratch, 'nowhere'), out)).toEqual([]);
    expect(JSON.parse(await readFile(join(out, MANIFEST_FILE), 'utf8'))).toMatchObject({ files: [] });
  });

  test('Publishing stops at a damaged list, for a deploy without it would call its addresses clean', async () => {
    const dir = join(scratch, 'damaged');
    await buildLists([list('a', 'tor', '8.8.8.8\n')], { dir });
    await truncate(join(dir, 'a.sgip'), 40);
    await expect(publishLists(dir, join(scratch, 'damaged-assets'))).rejects.toMatchObject({
      code: expect.stringMatching(/^list_file_/),
    });
    await writeFile(join(dir, 'a.sgip'), '<html>');
    await expect(publishLists(dir, join(scratch, 'damaged-assets'))).rejects.toMatchObject({
      code: 'list_file_foreign',
    });
  });
});
