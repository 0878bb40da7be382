import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_FEEDS } from '../../../../src/data/lists/default-feeds.ts';
import type { ListConfig } from '../../../../src/data/lists/list-config.ts';
import { listConfigSchema } from '../../../../src/data/lists/lists.ts';
import {
  buildLists,
  type ListInput,
  type ListProgress,
  loadReputation,
  readFeeds,
  readListFile,
  updateLists,
  watchReputation,
} from '../../../../src/data/lists/lists-file.ts';
import type { LocalReputation, Standing } from '../../../../src/model/reputation.ts';
import { parseAddress } from '../../../../src/net/ip.ts';

const NOW = Date.UTC(2026, 10, 25);
const DAY = 86_400_000;

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-lists-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const config = (name: string, changes: object = {}): ListConfig =>
  listConfigSchema.parse({ name, category: 'attack', source: `${name}.txt`, format: 'text', ...changes });

const input = (name: string, text: string, changes: object = {}): ListInput => ({
  config: config(name, changes),
  text,
  updatedAtMs: NOW,
  etag: null,
  lastModified: null,
});

function standing(reputation: LocalReputation, address: string, nowMs = NOW): Standing {
  const parsed = parseAddress(address);
  if (parsed === null) throw new Error(`bad test data: ${address}`);
  return reputation.standing(parsed, nowMs);
}

describe('built lists', () => {
  it('Built lists are loaded again with what is known of them', async () => {
    const progress: ListProgress[] = [];
    const outcomes = await buildLists(
      [input('bad', '8.8.8.8\n10.0.0.1\n'), input('vpn', '9.9.9.0/24', { category: 'vpn' })],
      { dir: join(dir, 'made', 'here'), onProgress: (step) => progress.push(step) },
    );
    expect(outcomes).toEqual([
      { name: 'bad', outcome: 'built', problem: null, entries: 1, notPublic: 1 },
      { name: 'vpn', outcome: 'built', problem: null, entries: 1, notPublic: 0 },
    ]);
    expect(progress.map(({ name, index, total, step }) => `${name} ${index}/${total} ${step}`)).toEqual([
      'bad 1/2 started',
      'bad 1/2 finished',
      'vpn 2/2 started',
      'vpn 2/2 finished',
    ]);
    const reputation = await loadReputation(join(dir, 'made', 'here'));
    expect(reputation.configured).toBe(true);
    expect(standing(reputation, '8.8.8.8').categories).toEqual(['attack']);
    expect(standing(reputation, '9.9.9.77').lists).toEqual(['vpn']);
    expect(reputation.status(NOW + DAY)).toMatchObject([
      { name: 'bad', source: 'bad.txt', updatedAtMs: NOW, ageDays: 1, ranges: 1, judged: true },
      { name: 'vpn', category: 'vpn' },
    ]);
  });

  it('Built lists are none where no directory is, and that is not called clean', async () => {
    expect((await loadReputation(join(dir, 'nowhere'))).configured).toBe(false);
    expect((await loadReputation(dir)).configured).toBe(false);
  });

  /** @see https://github.com/firehol/blocklist-ipsets/issues/312 */
  it('Built lists stay when a new version is refused, and the refusal is told', async () => {
    await buildLists([input('bad', '1.1.1.1\n1.1.1.2\n1.1.1.3\n')], { dir });
    const versions: readonly (readonly [string, string])[] = [
      ['0.0.0.0/1\n128.0.0.0/1\n', 'list_entry_too_wide'],
      ['<html></html>', 'list_not_parsable'],
      ['', 'list_empty'],
      ['8.8.8.8\n', 'list_shrunk'],
    ];
    for (const [text, code] of versions) {
      const [outcome] = await buildLists([input('bad', text)], { dir });
      expect(outcome, code).toMatchObject({ outcome: 'refused', problem: { code }, entries: 3 });
      const reputation = await loadReputation(dir);
      expect(standing(reputation, '8.8.8.8').categories).toEqual([]);
      expect(standing(reputation, '1.1.1.3').categories).toEqual(['attack']);
    }
    const [accepted] = await buildLists([input('bad', '8.8.8.8\n')], { dir, acceptShrink: true });
    expect(accepted).toMatchObject({ outcome: 'built', entries: 1 });
  });

  it('Built lists leave nothing but themselves behind', async () => {
    await buildLists([input('good', '1.1.1.1'), input('empty', '')], { dir });
    expect(await readdir(dir)).toEqual(['good.sgip']);
  });

  it('Built lists with a broken file among them are used without it, and the file is reported', async () => {
    await buildLists([input('a', '1.1.1.1'), input('b', '2.2.2.2'), input('c', '3.3.3.3')], { dir });
    await truncate(join(dir, 'b.sgip'), 40);
    await copyFile(join(dir, 'a.sgip'), join(dir, 'copy.sgip'));
    await writeFile(join(dir, 'half.sgip.123.tmp'), 'left over');
    const reputation = await loadReputation(dir);
    expect(standing(reputation, '1.1.1.1').lists).toEqual(['a']);
    expect(standing(reputation, '2.2.2.2').lists).toEqual([]);
    expect(standing(reputation, '3.3.3.3').lists).toEqual(['c']);
    const byName = new Map(reputation.status(NOW).map((list) => [list.name, list]));
    expect([...byName.keys()].sort()).toEqual(['a', 'b', 'c', 'copy']);
    expect(byName.get('b')).toMatchObject({ judged: false, category: 'unreadable' });
    expect(byName.get('b')?.problem).toMatch(/40 bytes long/);
    expect(byName.get('copy')?.problem).toMatch(/holds the list "a"/);
    const [rebuilt] = await buildLists([input('b', '2.2.2.2')], { dir });
    expect(rebuilt?.outcome).toBe('built');
  });
});

describe('a watched directory', () => {
  /** @see https://github.com/leev/ngx_http_geoip2_module/pull/135 */
  it('A watched directory is taken over without a restart, and no old answer is given afterwards', async () => {
    await buildLists([input('list', '8.8.8.8', { category: 'vpn' })], { dir });
    let reloads = 0;
    let told: () => void = () => undefined;
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        told = resolve;
      });
    const watched = await watchReputation(dir, {
      intervalMs: 10,
      onReload: () => {
        reloads++;
        told();
      },
    });
    try {
      const { reputation } = watched;
      expect(standing(reputation, '8.8.8.8').categories).toEqual(['vpn']);
      const rebuilt = next();
      await buildLists([input('list', '8.8.8.8', { category: 'tor' })], { dir });
      await rebuilt;
      expect(standing(reputation, '8.8.8.8').categories).toEqual(['tor']);
      const removed = next();
      await rm(join(dir, 'list.sgip'));
      await removed;
      expect(standing(reputation, '8.8.8.8').categories).toBeNull();
      expect(reputation.configured).toBe(false);
      expect(reloads).toBe(2);
    } finally {
      watched.close();
    }
  });

  it('A watched directory tells once of each list that passes its age, and again after it was young in between', async () => {
    await buildLists([input('a', '1.1.1.1', { max_age_days: 2 }), input('b', '2.2.2.2', { max_age_days: 9 })], { dir });
    let nowMs = NOW;
    let looks = 0;
    const told: string[] = [];
    const watched = await watchReputation(dir, {
      intervalMs: 5,
      now: () => {
        looks++;
        return nowMs;
      },
      onStale: ({ name }) => told.push(name),
    });
    const looked = async () => {
      const before = looks;
      await expect.poll(() => looks - before, { timeout: 20_000 }).toBeGreaterThan(2);
    };
    try {
      await looked();
      expect(told).toEqual([]);
      nowMs = NOW + 3 * DAY;
      await looked();
      expect(told).toEqual(['a']);
      await buildLists([{ ...input('a', '1.1.1.1', { max_age_days: 2 }), updatedAtMs: nowMs }], { dir });
      await looked();
      nowMs += 3 * DAY;
      await looked();
      expect(told).toEqual(['a', 'a']);
    } finally {
      watched.close();
    }
  });

  /** @see https://github.com/GitSquared/node-geolite2-redist/issues/5 */
  it('A watched directory goes on with the old version of a list whose file broke', async () => {
    await buildLists([input('a', '1.1.1.1'), input('b', '2.2.2.2')], { dir });
    const watched = await watchReputation(dir, { intervalMs: 3_600_000 });
    try {
      await truncate(join(dir, 'a.sgip'), 60);
      await buildLists([input('b', '2.2.2.3')], { dir });
      await watched.reload();
      expect(standing(watched.reputation, '1.1.1.1').lists).toEqual(['a']);
      expect(standing(watched.reputation, '2.2.2.3').lists).toEqual(['b']);
      expect(watched.reputation.status(NOW)[0]).toMatchObject({ name: 'a', judged: true });
      expect(watched.reputation.status(NOW)[0]?.problem).toMatch(/60 bytes long/);
    } finally {
      watched.close();
    }
  });
});

describe('an update', () => {
  let server: Server;
  let base: string;
  /** What the feed server answers next. */
  let answer: { status: number; body: string; headers?: Record<string, string>; cutAfter?: number };
  let conditions: (string | undefined)[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      conditions.push(request.headers['if-none-match']);
      const etag = answer.headers?.etag;
      if (etag !== undefined && request.headers['if-none-match'] === etag) {
        response.writeHead(304).end();
      } else if (answer.cutAfter !== undefined) {
        response.writeHead(200, { 'content-length': String(answer.body.length) });
        response.write(answer.body.slice(0, answer.cutAfter));
        setImmediate(() => response.destroy());
      } else response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(() => {
    conditions = [];
  });

  const update = (nowMs = NOW, changes: object = {}) =>
    updateLists([config('feed', { source: `${base}/list`, ...changes })], { dir, nowMs, fetch, timeoutMs: 5_000 });

  it('An update asks again only for what changed, and an unchanged list is as new as the answer that says so', async () => {
    answer = { status: 200, body: '8.8.8.8\n', headers: { etag: '"1"' } };
    expect(await update()).toMatchObject([{ outcome: 'built', entries: 1 }]);
    expect(await update(NOW + 40 * DAY)).toMatchObject([{ outcome: 'unchanged', entries: 1 }]);
    expect(conditions).toEqual([undefined, '"1"']);
    const reputation = await loadReputation(dir);
    expect(reputation.status(NOW + 40 * DAY)).toMatchObject([{ ageDays: 0, judged: true }]);
    expect(standing(reputation, '8.8.8.8', NOW + 40 * DAY).categories).toEqual(['attack']);
  });

  it('An update asks for everything again when the list is to be read in another way', async () => {
    answer = { status: 200, body: '8.8.8.8\t1\n9.9.9.9\t5\n', headers: { etag: '"1"' } };
    await update();
    expect(await update(NOW, { min_count: 3 })).toMatchObject([{ outcome: 'built', entries: 1 }]);
  });

  it('An update dates a list as its server does, but never in the future', async () => {
    const told = async (headers: Record<string, string>): Promise<number | undefined> => {
      answer = { status: 200, body: '8.8.8.8\n', headers };
      await update();
      return (await loadReputation(dir)).status(NOW)[0]?.ageDays;
    };
    expect(await told({ 'last-modified': new Date(NOW - 3 * DAY).toUTCString() })).toBe(3);
    expect(await told({ 'last-modified': new Date(NOW + 3 * DAY).toUTCString() })).toBe(0);
    expect(await told({ 'last-modified': 'yesterday-ish' })).toBe(0);
  });

  /**
   * @see https://github.com/GitSquared/node-geolite2-redist/issues/5
   * @see https://github.com/Laarryy/Anti-VPN/issues/47
   */
  it('An update that fails leaves the list in force, byte for byte, through a restart', async () => {
    const body = Array.from({ length: 100 }, (_, index) => `81.2.69.${index}`).join('\n');
    answer = { status: 200, body };
    await update();
    const before = await readFile(join(dir, 'feed.sgip'));
    const failures: readonly (readonly [typeof answer, string, string])[] = [
      [{ status: 200, body, cutAfter: body.length * 0.4 }, 'unavailable', 'feed_truncated'],
      [{ status: 429, body: 'quota exceeded' }, 'unavailable', 'feed_status'],
      [{ status: 503, body: '' }, 'unavailable', 'feed_status'],
      [{ status: 200, body: '' }, 'unavailable', 'feed_empty'],
      [{ status: 200, body: '<html>sorry</html>' }, 'refused', 'list_not_parsable'],
      [{ status: 200, body: '0.0.0.0/1\n' }, 'refused', 'list_entry_too_wide'],
      [{ status: 200, body: body.slice(0, 200) }, 'refused', 'list_shrunk'],
    ];
    for (const [failure, outcome, code] of failures) {
      answer = failure;
      expect(await update(), code).toMatchObject([{ outcome, problem: { code }, entries: 100 }]);
      expect(await readFile(join(dir, 'feed.sgip'))).toEqual(before);
    }
    const reputation = await loadReputation(dir);
    expect(standing(reputation, '81.2.69.99').categories).toEqual(['attack']);
    expect(standing(reputation, '8.8.8.8').categories).toEqual([]);
  });

  it('An update takes lists from files too, as old as the file, and goes on after one that is missing', async () => {
    await writeFile(join(dir, 'mine.txt'), '140.82.112.0/20\n');
    await utimes(join(dir, 'mine.txt'), NOW / 1000 - 86_400, NOW / 1000 - 86_400);
    const outcomes = await updateLists([config('gone'), config('mine', { category: 'allow' })], {
      dir,
      nowMs: NOW,
      fetch,
    });
    expect(outcomes).toMatchObject([
      { name: 'gone', outcome: 'unavailable', problem: { code: 'list_io' }, entries: null },
      { name: 'mine', outcome: 'built' },
    ]);
    expect((await loadReputation(dir)).status(NOW)).toMatchObject([{ name: 'mine', ageDays: 1 }]);
  });
});

describe('feeds.json', () => {
  const write = (feeds: unknown): Promise<void> =>
    writeFile(join(dir, 'feeds.json'), typeof feeds === 'string' ? feeds : JSON.stringify(feeds));
  const mine = { name: 'mine', category: 'allow', source: 'mine.txt', format: 'text' };

  it('feeds.json is not needed', async () => {
    expect(await readFeeds(dir)).toBe(DEFAULT_FEEDS);
  });

  it('feeds.json adds lists, replaces default feeds by name and leaves some or all of them out', async () => {
    await write({ version: 1, disabled: ['aws'], lists: [mine, { ...mine, name: 'tor-exits', category: 'tor' }] });
    const feeds = await readFeeds(dir);
    expect(feeds).toHaveLength(DEFAULT_FEEDS.length);
    expect(feeds.filter(({ name }) => name === 'tor-exits')).toMatchObject([{ source: 'mine.txt' }]);
    expect(feeds.some(({ name }) => name === 'aws')).toBe(false);
    await write({ version: 1, defaults: false, lists: [mine] });
    expect((await readFeeds(dir)).map(({ name }) => name)).toEqual(['mine']);
  });

  it('feeds.json is refused with what is wrong with it', async () => {
    const refusals: readonly (readonly [unknown, RegExp])[] = [
      ['{', /not JSON/],
      [{ version: 2 }, /version/],
      [{ version: 1, list: [] }, /list/],
      [{ version: 1, disabled: ['azure'] }, /"azure" is not a default feed/],
      [{ version: 1, lists: [mine, mine] }, /"mine" is configured twice/],
      [{ version: 1, lists: [{ ...mine, category: 'evil' }] }, /lists\.0\.category/],
    ];
    for (const [feeds, message] of refusals) {
      await write(feeds);
      await expect(readFeeds(dir)).rejects.toMatchObject({ code: 'feeds_invalid' });
      await expect(readFeeds(dir)).rejects.toThrow(message);
    }
  });
});

const DATA = join(import.meta.dirname, '../../../../../shared/data/ip');

describe.runIf(existsSync(DATA))('the published lists', () => {
  it('The published lists build with the limits of the default feeds, and name the addresses they hold', async () => {
    const feed = (name: string): ListConfig => {
      const found = DEFAULT_FEEDS.find((one) => one.name === name);
      if (found === undefined) throw new Error(`no default feed ${name}`);
      return found;
    };
    const configs = [
      { ...feed('tor-exits'), source: 'tor-exit-nodes.lst' },
      { ...feed('x4bnet-vpn-v4'), source: 'x4b-vpn-ipv4.txt' },
      { ...feed('x4bnet-vpn-v6'), source: 'x4b-vpn-ipv6.txt' },
      { ...feed('x4bnet-datacenter-v4'), source: 'x4b-datacenter-ipv4.txt' },
      { ...feed('x4bnet-datacenter-v6'), source: 'x4b-datacenter-ipv6.txt' },
      { ...feed('ipsum-level-3'), source: 'ipsum.txt', minCount: 3 },
      { ...feed('apple-relay'), source: 'apple-relay-ipv6.txt', format: 'text' as const },
      { ...feed('aws'), source: 'amazon-ipv4.txt', format: 'text' as const },
    ];
    const inputs = await Promise.all(configs.map((one) => readListFile(one, DATA)));
    const outcomes = await buildLists(
      inputs.map((one) => ({ ...one, updatedAtMs: NOW })),
      { dir },
    );
    expect(outcomes.map(({ name, outcome, entries, notPublic }) => [name, outcome, entries, notPublic])).toEqual([
      ['tor-exits', 'built', 1746, 0],
      ['x4bnet-vpn-v4', 'built', 10862, 0],
      ['x4bnet-vpn-v6', 'built', 498, 0],
      ['x4bnet-datacenter-v4', 'built', 42566, 0],
      ['x4bnet-datacenter-v6', 'built', 8752, 0],
      ['ipsum-level-3', 'built', 14217, 0],
      ['apple-relay', 'built', 10455, 0],
      ['aws', 'built', 1752, 0],
    ]);
    const reputation = await loadReputation(dir);
    expect(standing(reputation, '101.99.92.179').categories).toContain('tor');
    expect(standing(reputation, '77.90.185.20').categories).toContain('attack');
    expect(standing(reputation, '2.58.241.67').categories).toContain('vpn');
    expect(standing(reputation, '3.1.2.3').lists).toContain('aws');
    expect(standing(reputation, '2a02:26f7:b00a:4000::7').categories).toContain('relay');
    expect(standing(reputation, '81.2.69.160')).toEqual({ categories: [], lists: [], asn: null });

    const exits = (await readFile(join(DATA, 'tor-exit-nodes.lst'), 'utf8')).trim().split('\n');
    expect(exits.every((exit) => standing(reputation, exit).categories?.includes('tor'))).toBe(true);
  });

  it('The published lists of hosting networks are too wide a list for one that does not state it', async () => {
    const one = await readListFile(
      config('hosting', { source: 'x4b-datacenter-ipv4.txt', category: 'datacenter' }),
      DATA,
    );
    expect(await buildLists([one], { dir })).toMatchObject([
      { outcome: 'refused', problem: { code: 'list_covers_too_much' }, entries: null },
    ]);
  });
});
