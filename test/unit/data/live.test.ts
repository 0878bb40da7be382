import { cp, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLocalGeo } from '../../../src/data/geo/local-geo.ts';
import { listConfigSchema } from '../../../src/data/lists/lists.ts';
import { buildLists, watchReputation } from '../../../src/data/lists/lists-file.ts';
import { live } from '../../../src/data/live.ts';
import { loadRules, watchRules } from '../../../src/rules/load.ts';
import { addressOf, smallBuild } from '../../support/geo/built.ts';
import { catalog, factsOf, points } from '../../support/sample-rules.ts';

let root: string;
const opened: { close(): void }[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stepgate-live-'));
});
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await rm(root, { recursive: true });
});

const NOW = Date.UTC(2026, 10, 25);
const INTERVAL_MS = 5;

/** Something that follows a directory: puts version `a` or `b` into one, and says which version is in force. */
interface Followed {
  readonly put: (dir: string, version: 'a' | 'b') => Promise<void>;
  readonly follow: (dir: string) => Promise<() => 'a' | 'b' | undefined>;
}

const FOLLOWED: { readonly [name: string]: Followed } = {
  rules: {
    put: (dir, version) =>
      writeFile(join(dir, 'a.json'), JSON.stringify({ rules: [points({}, version === 'a' ? 10 : 20, 'r1')] })),
    follow: async (dir) => {
      let rules = await loadRules(dir, catalog);
      const onSwap = (next: typeof rules): void => {
        rules = next;
      };
      opened.push(
        watchRules({ dir, catalog, current: rules, onSwap, onRefused: () => undefined, intervalMs: INTERVAL_MS }),
      );
      return () => (rules.evaluate(factsOf()).score === 10 ? 'a' : 'b');
    },
  },
  lists: {
    put: async (dir, version) => {
      const wire = { name: 'list', category: version === 'a' ? 'vpn' : 'tor', source: 'list.txt', format: 'text' };
      const origin = { updatedAtMs: NOW, etag: null, lastModified: null };
      await buildLists([{ config: listConfigSchema.parse(wire), text: '8.8.8.8', ...origin }], { dir });
    },
    follow: async (dir) => {
      const watched = await watchReputation(dir, { intervalMs: INTERVAL_MS });
      opened.push(watched);
      return () => {
        const [category] = watched.reputation.standing(addressOf('8.8.8.8'), NOW).categories ?? [];
        return category && (category === 'vpn' ? 'a' : 'b');
      };
    },
  },
  'geo data': {
    put: async (dir, version) => {
      for (const [name, bytes] of smallBuild({ country: version === 'a' ? 'GB' : 'FR' }).files) {
        await writeFile(join(dir, name), bytes);
      }
    },
    follow: async (dir) => {
      const watched = await openLocalGeo({ data: 'city', dir, intervalMs: INTERVAL_MS });
      opened.push(watched);
      return () => {
        const located = watched.geo.locate(addressOf('1.2.3.4'));
        return located.known ? (located.place.country === 'GB' ? 'a' : 'b') : undefined;
      };
    },
  },
};

describe.each(Object.entries(FOLLOWED))('A directory of %s', (_name, { put, follow }) => {
  const made = async (name: string, version: 'a' | 'b'): Promise<string> => {
    const dir = join(root, name);
    await mkdir(dir);
    await put(dir, version);
    return dir;
  };
  const expectSoon = (current: () => unknown, version: string) =>
    expect.poll(current, { timeout: 20_000, interval: 2 }).toBe(version);

  test('A directory behind a symbolic link is followed when the link leads elsewhere', async () => {
    await made('one', 'a');
    await made('two', 'b');
    await symlink('one', join(root, 'link'));
    const current = await follow(join(root, 'link'));
    expect(current()).toBe('a');
    await symlink('two', join(root, 'link.new'));
    await rename(join(root, 'link.new'), join(root, 'link'));
    await expectSoon(current, 'b');
  });

  test('A directory is followed when another directory takes its place, and never without a version in between', async () => {
    const dir = await made('dir', 'a');
    const next = await made('next', 'b');
    const current = await follow(dir);
    const seen = new Set<unknown>();
    const watching = setInterval(() => seen.add(current()), 1);
    await rename(dir, join(root, 'before'));
    // The place is empty for longer than several looks take.
    await new Promise((resolve) => setTimeout(resolve, 20 * INTERVAL_MS));
    expect(current()).toBe('a');
    await rename(next, dir);
    await expectSoon(current, 'b');
    clearInterval(watching);
    expect([...seen].filter((version) => version !== 'a' && version !== 'b')).toEqual([]);
  });

  test('A directory whose files are links through ..data, as in a mounted ConfigMap, is followed when ..data is swapped', async () => {
    await made('..1', 'a');
    await made('..2', 'b');
    await mkdir(join(root, 'mount'));
    await symlink('../..1', join(root, 'mount/..data'));
    const names = new Set([...(await readdir(join(root, '..1'))), ...(await readdir(join(root, '..2')))]);
    for (const name of names) await symlink(`..data/${name}`, join(root, 'mount', name));
    const current = await follow(join(root, 'mount'));
    expect(current()).toBe('a');
    await symlink('../..2', join(root, 'mount/..new'));
    await rename(join(root, 'mount/..new'), join(root, 'mount/..data'));
    await expectSoon(current, 'b');
  });

  test('A directory is followed when a copy is put over it that keeps the times of its files', async () => {
    const dir = await made('dir', 'a');
    const next = await made('next', 'b');
    const current = await follow(dir);
    await cp(next, dir, { recursive: true, preserveTimestamps: true });
    await expectSoon(current, 'b');
  });
});

/** A source whose versions a test sets, and what was said of them. */
function rig(options: { readonly isSame?: (next: string, current: string) => boolean } = {}) {
  const source = { version: 1, fault: null as Error | null, loads: 0 };
  const said: string[] = [];
  const following = live<string, number>({
    version: async () => source.version,
    load: async (version) => {
      source.loads += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (source.fault !== null) throw source.fault;
      return `version ${version}`;
    },
    first: { version: 1, value: 'version 1' },
    onSwap: (next) => said.push(next),
    onProblem: ({ message }) => said.push(message),
    ...options,
  });
  return { source, said, following };
}

describe('What is followed', () => {
  test('What is followed is not read again while its version stays the same, unless a reload is asked for', async () => {
    const { source, said, following } = rig();
    await following.look();
    expect(source.loads).toBe(0);
    await following.reload();
    expect(source.loads).toBe(1);
    source.version = 2;
    await following.look();
    expect(following.current()).toBe('version 2');
    expect(said).toEqual(['version 2']);
  });

  test('What is followed keeps its last good version, names the problem once, and tries again until the problem is gone', async () => {
    const { source, said, following } = rig();
    source.version = 2;
    source.fault = new Error('the disk is away');
    await following.look();
    await following.look();
    expect(following.current()).toBe('version 1');
    expect(following.problem()?.message).toBe('the disk is away');
    source.fault = null;
    await following.look();
    expect(following.current()).toBe('version 2');
    expect(following.problem()).toBeNull();
    expect(said).toEqual(['the disk is away', 'version 2']);
  });

  test('What is followed announces nothing for a version that says the same', async () => {
    const { source, said, following } = rig({ isSame: () => true });
    source.version = 2;
    await following.look();
    expect(said).toEqual([]);
    expect(following.current()).toBe('version 1');
  });

  test('What is followed reads one version at a time, and reads a version that comes meanwhile afterwards', async () => {
    const { source, said, following } = rig();
    source.version = 2;
    const first = following.reload();
    const second = following.reload();
    await first;
    source.version = 3;
    await second;
    expect(said).toEqual(['version 2', 'version 3']);
  });

  test('What is followed announces nothing once it is closed', async () => {
    const { source, said, following } = rig();
    source.version = 2;
    const reading = following.reload();
    following.close();
    await reading;
    expect(said).toEqual([]);
    expect(following.current()).toBe('version 1');
  });
});
