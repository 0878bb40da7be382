import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../../../src/data/data-error.ts';
import { DEFAULT_FEEDS } from '../../../../src/data/lists/default-feeds.ts';
import type { ListConfig } from '../../../../src/data/lists/list-config.ts';
import { decodeList, encodeList } from '../../../../src/data/lists/list-file.ts';
import { parseList } from '../../../../src/data/lists/list-text.ts';
import { type CompiledList, compileList, listConfigSchema } from '../../../../src/data/lists/lists.ts';
import { createReputation, NO_REPUTATION } from '../../../../src/data/lists/standing.ts';
import { wordsToBigint } from '../../../../src/data/ranges.ts';
import type { Standing } from '../../../../src/model/reputation.ts';
import { formatV4, parseAddress } from '../../../../src/net/ip.ts';

const NOW = Date.UTC(2026, 10, 25);
const DAY = 86_400_000;

const config = (changes: Partial<ListConfig> = {}): ListConfig => ({
  name: 'test',
  category: 'attack',
  source: 'test.txt',
  format: 'text',
  column: 0,
  minCount: 0,
  maxAgeDays: 7,
  maxCoverage: 1 / 64,
  licence: '',
  ...changes,
});

const ORIGIN = { updatedAtMs: NOW, etag: null, lastModified: null };

const compile = (text: string, changes: Partial<ListConfig> = {}, previous: CompiledList | null = null): CompiledList =>
  compileList(text, config(changes), ORIGIN, previous?.meta ?? null);

function look(lists: readonly CompiledList[], address: string, nowMs = NOW): Standing {
  const parsed = parseAddress(address);
  if (parsed === null) throw new Error(`bad test data: ${address}`);
  return createReputation(lists, []).standing(parsed, nowMs);
}

const hit = (list: CompiledList, address: string): boolean => look([list], address).lists.length > 0;

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof DataError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('a list in text', () => {
  it('A list in text holds addresses, blocks and ranges, with comments and trailing text', () => {
    const list = compile(
      [
        '\uFEFF# a netset',
        '81.2.69.160',
        '8.8.8.0/24 ; SBL1',
        '9.9.9.1-9.9.9.3',
        '9.9.10.1 - 9.9.10.3',
        '1.1.1.1\t5',
        '2a00:1450::/32 # v6',
        '',
        '; the end\r',
      ].join('\r\n'),
    );
    expect(list.meta.entries).toBe(6);
    for (const inside of ['81.2.69.160', '8.8.8.255', '9.9.9.2', '9.9.10.3', '1.1.1.1', '2a00:1450:1::1']) {
      expect(hit(list, inside), inside).toBe(true);
    }
    for (const outside of ['81.2.69.161', '8.8.9.0', '9.9.9.4', '1.1.1.2', '2a00:1451::1']) {
      expect(hit(list, outside), outside).toBe(false);
    }
  });

  /** @see https://github.com/pfBlockerNG/pfBlockerNG/issues/2602 */
  it('A list in text with start, end and prefix on each line is read as ranges, not as single hosts', () => {
    const lines = Array.from({ length: 20 }, (_, i) => `5.61.${209 + i}.0\t5.61.${209 + i}.255\t24\t99\tSOME-NET\tUS`);
    const list = compile(`Start\tEnd\tNetmask\tAttacks\n${lines.join('\n')}`);
    expect(list.meta).toMatchObject({ entries: 20, unparsable: 1 });
    for (const inside of ['5.61.209.0', '5.61.209.77', '5.61.209.255', '5.61.228.77']) {
      expect(hit(list, inside), inside).toBe(true);
    }
    for (const outside of ['5.61.208.255', '5.61.229.0']) expect(hit(list, outside), outside).toBe(false);
  });

  it.each([
    '8.8.8.0\t8.8.8.255',
    '8.8.8.0 8.8.8.255 24 99',
    '8.8.8.0,8.8.8.255,24',
    '8.8.8.0 , 8.8.8.255',
    '8.8.8.0;8.8.8.255;24',
    '8.8.8.0 | 8.8.8.255 | name',
    '8.8.8.0-8.8.8.255',
    '8.8.8.0 -8.8.8.255',
    '8.8.8.0- 8.8.8.255 24',
    '8.8.8.0 – 8.8.8.255',
    '8.8.8.0–8.8.8.255',
    '8.8.8.0 — 8.8.8.255',
    '8.8.8.0‐8.8.8.255',
    '8.8.8.0\u20118.8.8.255',
    '8.8.8.0 \u2212 8.8.8.255',
    '8.8.8.0\u00a0-\u00a08.8.8.255',
    '8.8.8.0 255.255.255.0',
    '8.8.8.0\t255.255.255.0\t99',
    '8.8.8.0/255.255.255.0',
    '8.8.8.77 255.255.255.0 # host bits are cleared',
    '8.8.8.0/24 24 99',
    '::ffff:8.8.8.0 ::ffff:8.8.8.255',
  ])('A list in text takes %j for one block of 256', (line) => {
    const list = compile(line);
    expect(list.meta).toMatchObject({ entries: 1, unparsable: 0 });
    expect(['8.8.7.255', '8.8.8.0', '8.8.8.77', '8.8.8.255', '8.8.9.0'].map((one) => hit(list, one))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  it.each([
    '2a00:1450:: 2a00:1450:0:ffff:ffff:ffff:ffff:ffff',
    '2a00:1450::\t2a00:1450:0:ffff:ffff:ffff:ffff:ffff\t48',
    '2a00:1450:: – 2a00:1450:0:ffff:ffff:ffff:ffff:ffff',
    '2a00:1450::-2a00:1450:0:ffff:ffff:ffff:ffff:ffff',
    '2a00:1450:: ffff:ffff:ffff::',
    '2a00:1450::/ffff:ffff:ffff::',
  ])('A list in text takes %j for one /48', (line) => {
    const list = compile(line);
    expect(list.meta).toMatchObject({ entries: 1, unparsable: 0 });
    expect(['2a00:1450::', '2a00:1450:0:77::1', '2a00:1450:1::'].map((one) => hit(list, one))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it.each([
    '8.8.8.255 8.8.8.0',
    '8.8.8.0 0.0.0.255',
    '8.8.8.0 255.0.255.0',
    '8.8.8.0/255.255.0.255',
    '8.8.8.0 2a00:1450::1',
    '8.8.8.0 ffff:ffff::',
    '8.8.8.0 to 8.8.8.255',
    '8.8.8.0 ... 8.8.8.255',
    '8.8.8.0 24 8.8.8.255',
    '8.8.8.0 8.8.8.9 8.8.8.255',
    '8.8.8.0-8.8.8.9 8.8.8.255',
    '8.8.8.0/24 8.8.8.255',
    '8.8.8.0 8.8.8.0/24',
    '8.8.8.0 - 8.8.8.300',
    '8.8.8.0-255',
    '8.8.8.0 -',
    '8.8.8.0~8.8.8.255',
    '2a00::2 2a00::1',
    '2a00::1 8.8.8.8',
  ])('A list in text cannot read %j: two addresses are never one host', (line) => {
    const parsed = parseList(`${line}\n`, { format: 'text', column: 0, minCount: 0 });
    expect(parsed).toMatchObject({ entries: 0, notPublic: 0, lines: 1, unparsable: 1 });
    expect(codeOf(() => compile(`${line}\n`.repeat(20)))).toBe('list_not_parsable');
  });

  it.each(['8.8.8.0\t24', '8.8.8.0 24 99', '8.8.8.0,24,name', '8.8.8.0 | 24', '8.8.8.0 256', '8.8.0.0\t16\t77'])(
    'A list in text cannot read %j: the number may be the length of a block',
    (line) => {
      expect(parseList(line, config())).toMatchObject({ entries: 0, lines: 1, unparsable: 1 });
      expect(parseList(line, { format: 'csv', column: 0, minCount: 0 }).entries).toBe(0);
      expect(codeOf(() => compile(`${line}\n`.repeat(20)))).toBe('list_not_parsable');
    },
  );

  it('A list in text reads a number that cannot be the length of a block, or is known to be a count, as what it is', () => {
    for (const line of ['8.8.8.8\t24', '8.8.8.0\t3', '8.8.8.0 32', '8.8.8.0 100', '8.8.8.128\t24', '8.8.8.0/24 24']) {
      expect(parseList(line, config()), line).toMatchObject({ entries: 1, unparsable: 0 });
    }
    expect(parseList('8.8.8.0\t24', { ...config(), minCount: 3 })).toMatchObject({ entries: 1, unparsable: 0 });
  });

  it('A list in text reads two addresses in any order and spelling as their range, or not at all', () => {
    const v4 = fc.integer({ min: 0x08000000, max: 0x08ffffff }).map(formatV4);
    const v6 = fc.integer({ min: 0, max: 0xffff }).map((group) => `2a00:1450::${group.toString(16)}:1`);
    const between = fc.constantFrom('\t', ' ', ' - ', '-', '–', ' —', '‐ ', ', ', '|', ';', ' ; ', '\t \t');
    const behind = fc.constantFrom('', '\t24\t99', ' name', '# 9.9.9.9');
    fc.assert(
      fc.property(fc.oneof(v4, v6), fc.oneof(v4, v6), between, behind, (one, other, mark, rest) => {
        const { v4: spans4, v6: spans6, unparsable } = parseList(one + mark + other + rest, config());
        const ends = [one, other].map((text) => wordsToBigint(parseAddress(text)?.words ?? []));
        const [first = 0n, last = 0n] = ends;
        if (one.includes(':') !== other.includes(':') || first > last) {
          expect([spans4.length + spans6.length, unparsable]).toEqual([0, 1]);
        } else {
          expect([...spans4, ...spans6].map(({ start, end }) => [BigInt(start), BigInt(end)])).toEqual([[first, last]]);
        }
      }),
    );
  });

  it('A list in text reads a netmask as the prefix that it spells', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0x08000000, max: 0x08ffffff }), fc.integer({ min: 9, max: 32 }), (word, prefix) => {
        const mask = formatV4((0xffffffff << (32 - prefix)) >>> 0);
        const expected = parseList(`${formatV4(word)}/${prefix}`, config()).v4;
        expect(parseList(`${formatV4(word)} ${mask}`, config()).v4).toEqual(expected);
        expect(parseList(`${formatV4(word)}/${mask}`, config()).v4).toEqual(expected);
      }),
    );
  });

  it('A list in text takes a remark for a remark, also where it has dashes or an address', () => {
    const list = compile(
      [
        '8.8.8.1 # was 9.9.9.9',
        '8.8.8.2 ; see 9.9.9.9',
        '8.8.8.3 some-name - of somebody',
        '8.8.8.4\t-x',
        '; 9.9.9.9',
      ].join('\n'),
    );
    expect(list.meta).toMatchObject({ entries: 4, unparsable: 0 });
    expect(hit(list, '9.9.9.9')).toBe(false);
  });

  it('A list in text counts a line of more than 1,024 characters as unreadable before any pattern looks at it', () => {
    const blanks = ' '.repeat(2_000_000);
    const good = Array.from({ length: 200 }, (_, i) => `8.8.8.${i}`).join('\n');
    const list = compile(`1.2.3.4${blanks}x\n${good}\n# ${blanks}x\n8.8.9.9 # ${blanks}x\n`);
    expect(list.meta).toMatchObject({ entries: 201, unparsable: 1 });
    expect([hit(list, '1.2.3.4'), hit(list, '8.8.9.9')]).toEqual([false, true]);
    for (const format of ['csv', 'asn_csv', 'asn_tsv'] as const) {
      const parsed = parseList(`8.8.8.8,${blanks}"x`, config({ format, category: 'asn' }));
      expect(parsed, format).toMatchObject({ entries: 0, lines: 1, unparsable: 1 });
    }
    const json = JSON.stringify({ prefixes: [{ ip_prefix: `8.8.8.8${blanks}-` }] });
    expect(parseList(json, config({ format: 'json' }))).toMatchObject({ entries: 0, unparsable: 1 });
  });

  it('A list in text leaves out entries that too few others name', () => {
    const parsed = parseList('1.1.1.1\t5\n1.1.1.2\t2\n1.1.1.3\t3\n', { format: 'text', column: 0, minCount: 3 });
    expect(parsed).toMatchObject({ entries: 2, belowCount: 1 });
  });

  /** @see https://github.com/hrbrmstr/iptools/issues/26 */
  it('A list in text with single hosts holds these and nothing else', () => {
    const list = compile('81.2.69.66/32\n2a00:bad::1/128\n');
    const hits = ['81.2.69.66', '81.2.69.67', '8.8.8.8', '2a00:bad::1', '2a00:bad::2'].map((one) => hit(list, one));
    expect(hits).toEqual([true, false, false, true, false]);
  });

  it('A list in text is found by addresses that embed IPv4, in either place', () => {
    const list = compile('81.2.69.160\n::ffff:8.8.8.0/120\n');
    expect(hit(list, '64:ff9b::5102:45a0')).toBe(true);
    expect(hit(list, '2002:5102:45a0::1')).toBe(true);
    expect(hit(list, '8.8.8.200')).toBe(true);
    expect(list.set.v6.bounds).toHaveLength(0);
  });
});

describe('a list in another format', () => {
  it('A list in another format is read from a CSV column by number or name', () => {
    const apple = compile('8.8.8.0/27,GB,GB-ENG,"London, City",\n2a00:1450::/64,DE,DE-BE,Berlin,\n', { format: 'csv' });
    expect(hit(apple, '8.8.8.31')).toBe(true);
    expect(hit(apple, '2a00:1450::9')).toBe(true);
    const named = { format: 'csv', column: 'network' } as const;
    const list = compile('name,network\n"a, ""b""",8.8.8.8\nc,9.9.9.9\n', named);
    expect(list.meta.entries).toBe(2);
    expect(hit(list, '8.8.8.8')).toBe(true);
    expect(codeOf(() => compile('ip,name\n8.8.8.8,a\n', named))).toBe('list_not_parsable');
  });

  it('A list in another format in a CSV column takes the next one for the end or the netmask where it is an address, and reads no other beside it', () => {
    const rows = (...lines: string[]) => parseList(lines.join('\n'), config({ format: 'csv' }));
    expect(rows('8.8.8.0,8.8.8.255,24')).toMatchObject({ v4: [{ start: 0x08080800, end: 0x080808ff }] });
    expect(rows('"8.8.8.0","255.255.255.0"')).toMatchObject({ v4: [{ start: 0x08080800, end: 0x080808ff }] });
    expect(rows('8.8.8.0 – 8.8.8.255,x')).toMatchObject({ v4: [{ start: 0x08080800, end: 0x080808ff }] });
    expect(rows('8.8.8.8,-,name')).toMatchObject({ v4: [{ start: 0x08080808, end: 0x08080808 }] });
    expect(rows('8.8.8.0,24,8.8.8.255')).toMatchObject({ entries: 0, unparsable: 1 });
    const named = config({ format: 'csv', column: 'network' });
    const table = 'first,last,network\n8.8.8.0,8.8.8.255,8.8.8.0/24\n8.8.9.0,8.8.9.255,8.8.9.0\n';
    expect(parseList(table, named)).toMatchObject({ entries: 1, unparsable: 1 });
  });

  it('A list in another format is read from the JSON of AWS and of Google', () => {
    const aws = {
      syncToken: '1',
      prefixes: [{ ip_prefix: '3.5.140.0/22', region: 'x' }],
      ipv6_prefixes: [{ ipv6_prefix: '2600:1f00::/40' }],
    };
    const google = { syncToken: '1', prefixes: [{ ipv4Prefix: '34.1.208.0/20' }, { ipv6Prefix: '2600:1900::/35' }] };
    const fromAws = compile(JSON.stringify(aws), { format: 'json' });
    const fromGoogle = compile(JSON.stringify(google), { format: 'json' });
    expect([hit(fromAws, '3.5.141.1'), hit(fromAws, '2600:1f00::1')]).toEqual([true, true]);
    expect([hit(fromGoogle, '34.1.208.1'), hit(fromGoogle, '2600:1900::1')]).toEqual([true, true]);
    for (const text of ['{', '[]', '{"error":"rate limited"}', '429 Too Many Requests']) {
      expect(
        codeOf(() => compile(text, { format: 'json' })),
        text,
      ).toBe('list_not_parsable');
    }
  });

  it('A list in another format is read from lines of JSON with a metadata line', () => {
    const text = '{"cidr":"1.10.16.0/20","sblid":"SBL1"}\n{"type":"metadata","timestamp":1,"records":1}\n';
    const list = compile(text, { format: 'json_lines' });
    expect(list.meta).toMatchObject({ entries: 1, unparsable: 0 });
    expect(hit(list, '1.10.31.255')).toBe(true);
  });

  it('A list in another format is read as a table of AS numbers from CSV and TSV', () => {
    const csv = compile(
      'network,autonomous_system_number,autonomous_system_organization\n1.0.0.0/24,13335,"Cloudflare, Inc."\n1.0.4.0/22,38803,X\n2a00:1450::/32,15169,G\n',
      { category: 'asn', format: 'asn_csv' },
    );
    const tsv = compile(
      '1.0.0.0\t1.0.0.255\t13335\tUS\tX\n1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n2.0.0.0\t2.255.255.255\t3215\tFR\tO\n',
      {
        category: 'asn',
        format: 'asn_tsv',
      },
    );
    expect(look([csv], '1.0.0.9')).toEqual({ categories: null, lists: [], asn: 13335 });
    expect(look([csv], '2a00:1450::1').asn).toBe(15169);
    expect(look([csv], '1.0.1.9').asn).toBeNull();
    expect([look([tsv], '1.0.0.9').asn, look([tsv], '1.0.1.9').asn, look([tsv], '2.9.9.9').asn]).toEqual([
      13335,
      null,
      3215,
    ]);
  });
});

describe('a new version', () => {
  /** @see https://github.com/firehol/blocklist-ipsets/issues/213 */
  it('A new version loses its private and shared entries, which are counted', () => {
    const list = compile(
      '10.0.0.0/8\n192.168.0.0/16\n100.64.0.0/10\n224.0.0.0/3\nfc00::/7\n2002::/16\n81.2.69.66/32\n',
    );
    expect(list.meta).toMatchObject({ entries: 1, notPublic: 6 });
    expect([hit(list, '10.1.2.3'), hit(list, '192.168.1.5'), hit(list, '81.2.69.66')]).toEqual([false, false, true]);
  });

  it('A new version is refused when nothing is left of it', () => {
    expect(codeOf(() => compile(''))).toBe('list_empty');
    expect(codeOf(() => compile('# nothing today\n'))).toBe('list_empty');
    expect(codeOf(() => compile('10.0.0.0/8\n'))).toBe('list_empty');
  });

  it('A new version is refused when it is an error page, or too many lines cannot be read', () => {
    expect(codeOf(() => compile('<!DOCTYPE html>\n<html><body>1.1.1.1</body></html>'))).toBe('list_not_parsable');
    expect(codeOf(() => compile('Too many requests, try again later'))).toBe('list_not_parsable');
    const good = Array.from({ length: 95 }, (_, index) => `81.2.69.${index}`);
    const bad = ['a', 'b', 'c', 'd', 'e'];
    expect(codeOf(() => compile([...good, ...bad].join('\n')))).toBe('accepted');
    expect(codeOf(() => compile([...good, ...bad, 'f'].join('\n')))).toBe('list_not_parsable');
  });

  /** @see https://github.com/firehol/blocklist-ipsets/issues/312 */
  it('A new version is refused when it covers too much or holds an entry that is too wide', () => {
    expect(codeOf(() => compile('0.0.0.0/1\n128.0.0.0/1\n'))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('0.0.0.0/0\n'))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('8.0.0.0/8\n', { maxCoverage: 0.25 }))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('8.0.0.0-8.255.255.255\n', { maxCoverage: 0.25 }))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('2a00::/19\n'))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('::/0\n2a00::/32\n'))).toBe('list_entry_too_wide');
    expect(codeOf(() => compile('2a00::/20\n'))).toBe('accepted');
    // Eight /9 are 1/64 of IPv4.
    const nines = Array.from({ length: 8 }, (_, index) => `${20 + index}.0.0.0/9`);
    expect(codeOf(() => compile(nines.join('\n')))).toBe('accepted');
    expect(codeOf(() => compile([...nines, '40.0.0.0/32'].join('\n')))).toBe('list_covers_too_much');
    expect(codeOf(() => compile([...nines, '40.0.0.0/32'].join('\n'), { maxCoverage: 0.1 }))).toBe('accepted');
    expect(codeOf(() => compile([...nines, '20.1.0.0/16', '20.0.0.0/10'].join('\n')))).toBe('accepted');
  });

  it('A new version is refused when it shrinks below half', () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, index) => `81.2.69.${index}`).join('\n');
    const old = compile(lines(100));
    expect(codeOf(() => compile(lines(50), {}, old))).toBe('accepted');
    expect(codeOf(() => compile(lines(49), {}, old))).toBe('list_shrunk');
  });

  it('A new version of a table of AS numbers may cover everything', () => {
    expect(codeOf(() => compile('1.0.0.0/8,1,a\n2.0.0.0/7,2,b\n', { category: 'asn', format: 'asn_csv' }))).toBe(
      'accepted',
    );
  });
});

describe('a standing', () => {
  /** @see https://github.com/firehol/blocklist-ipsets/issues/13 */
  it('A standing is allow alone when an allow list names the address, with all lists still told', () => {
    const lists = [
      compile('140.82.112.3/32\n140.82.113.9', { name: 'feed' }),
      compile('140.82.112.0/24', { name: 'ours', category: 'allow' }),
    ];
    expect(look(lists, '140.82.112.3')).toEqual({ categories: ['allow'], lists: ['feed', 'ours'], asn: null });
    expect(look(lists, '140.82.113.9')).toEqual({ categories: ['attack'], lists: ['feed'], asn: null });
  });

  it('A standing names each category once, sorted, and the lists sorted', () => {
    const lists = [
      compile('8.8.8.8', { name: 'z', category: 'vpn' }),
      compile('8.8.8.0/24', { name: 'b', category: 'datacenter' }),
      compile('8.8.0.0/16', { name: 'a', category: 'datacenter' }),
      compile('8.8.8.8/32,15169,G', { name: 'asn', category: 'asn', format: 'asn_csv' }),
    ];
    expect(look(lists, '8.8.8.8')).toEqual({ categories: ['datacenter', 'vpn'], lists: ['a', 'b', 'z'], asn: 15169 });
  });

  it('A standing does not judge by a list past its age, which is reported', () => {
    const list = compile('8.8.8.8');
    expect(look([list], '8.8.8.8', NOW + 7 * DAY).categories).toEqual(['attack']);
    expect(look([list], '8.8.8.8', NOW + 7 * DAY + 1)).toEqual({
      categories: null,
      lists: [],
      asn: null,
      stale: { lists: ['test'], categories: ['attack'], holds: true },
    });
    const [fresh] = createReputation([list], []).status(NOW + DAY);
    const [old] = createReputation([list], []).status(NOW + 8 * DAY);
    expect(fresh).toMatchObject({ name: 'test', ageDays: 1, judged: true, ranges: 1, problem: null });
    expect(old).toMatchObject({ ageDays: 8, maxAgeDays: 7, judged: false });
    expect(createReputation([list], []).status(NOW - DAY)[0]).toMatchObject({ ageDays: 0, judged: true });
  });

  /** @see https://github.com/firehol/blocklist-ipsets/issues/219 */
  it('A standing leaves open what lists past their age say, and never takes their addresses for clean', () => {
    const old = { maxAgeDays: 2 };
    const lists = [
      compile('34.5.6.66', { name: 'f1', ...old }),
      compile('34.5.6.67\n34.5.6.68', { name: 'f2', category: 'vpn' }),
      compile('34.5.6.69', { name: 'f3', category: 'vpn', ...old }),
      compile('34.5.6.70', { name: 'friends', category: 'allow' }),
      compile('34.5.6.66/24,64500,X', { name: 'table', category: 'asn', format: 'asn_csv', ...old }),
    ];
    const at = (address: string) => look(lists, address, NOW + 3 * DAY);
    const stale = { lists: ['f1', 'f3', 'table'], categories: ['attack', 'vpn'], holds: false };
    expect(at('34.5.6.66')).toEqual({ categories: [], lists: [], asn: null, stale: { ...stale, holds: true } });
    expect(at('34.5.6.69').stale?.holds).toBe(true);
    expect(at('81.2.69.160')).toEqual({ categories: [], lists: [], asn: null, stale });
    expect(at('34.5.6.67')).toMatchObject({ categories: ['vpn'], lists: ['f2'], stale: { categories: ['attack'] } });
    expect(at('34.5.6.70')).toMatchObject({ categories: ['allow'], stale: { categories: [], holds: false } });
    expect(look(lists, '81.2.69.160')).toEqual({ categories: [], lists: [], asn: null });
  });

  it('A standing of an address of an inner network is private, and of a special one nothing', () => {
    for (const inner of ['10.1.2.3', '127.0.0.1', '100.64.0.1', 'fe80::1', 'fd00::1']) {
      expect(look([], inner), inner).toEqual({ categories: ['private'], lists: [], asn: null });
    }
    // A block that a list may hold although part of it is not public.
    const wide = compile('203.0.112.0/22\n2001::/22', { maxCoverage: 0.1 });
    expect(hit(wide, '203.0.112.1')).toBe(true);
    for (const special of ['203.0.113.7', '2001:0:1::1', '224.0.0.1', '::']) {
      expect(look([wide], special), special).toEqual({ categories: [], lists: [], asn: null });
    }
  });

  it('A standing says nothing of an address that is on no list while only friends are listed', () => {
    const friends = compile('140.82.112.0/20', { category: 'allow' });
    expect(look([friends], '140.82.112.3').categories).toEqual(['allow']);
    expect(look([friends], '8.8.8.8').categories).toBeNull();
    expect(look([friends, compile('1.1.1.1')], '8.8.8.8').categories).toEqual([]);
  });

  it('A standing is not configured without lists', () => {
    expect(NO_REPUTATION.configured).toBe(false);
    expect(createReputation([compile('8.8.8.8')], []).configured).toBe(true);
  });
});

describe('a compiled list', () => {
  const valued = compile('1.0.0.0/24,13335,"C"\n2a00:1450::/32,15169,G\n9.9.9.9,19281,Q', {
    category: 'asn',
    format: 'asn_csv',
  });

  it('A compiled list reads back as it was written, at any alignment', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0x01000000, max: 0x09ffffff }), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 0, max: 5 }),
        fc.stringMatching(/^[a-zé✓ ]{0,9}$/),
        (words, offset, source) => {
          const list = compile(`${words.map(formatV4).join('\n')}\n2a00::/32\n`, { source });
          const bytes = encodeList(list);
          const shifted = new Uint8Array(bytes.length + offset);
          shifted.set(bytes, offset);
          expect(decodeList(shifted.subarray(offset))).toEqual(list);
        },
      ),
      { numRuns: 50 },
    );
    expect(decodeList(encodeList(valued))).toEqual(valued);
  });

  it('A compiled list is refused whatever single byte is changed', () => {
    const bytes = encodeList(valued);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(codeOf(() => decodeList(damaged))).toMatch(/^list_file_/);
      }),
    );
  });

  it('A compiled list is refused by name when it is foreign, of another version, cut short or damaged', () => {
    const bytes = encodeList(valued);
    const changed = (at: number, value: number): Uint8Array => {
      const copy = bytes.slice();
      copy[at] = value;
      return copy;
    };
    expect(codeOf(() => decodeList(new Uint8Array()))).toBe('list_file_foreign');
    expect(codeOf(() => decodeList(new TextEncoder().encode('1.2.3.4\n')))).toBe('list_file_foreign');
    expect(codeOf(() => decodeList(changed(4, 99)))).toBe('list_file_version');
    expect(() => decodeList(changed(4, 99))).toThrow('format 99');
    for (const length of [4, 8, 24, 100, bytes.length - 4, bytes.length - 1]) {
      expect(
        codeOf(() => decodeList(bytes.slice(0, length))),
        `${length}`,
      ).toMatch(/^list_file_(truncated|version)$/);
    }
    expect(codeOf(() => decodeList(changed(bytes.length - 8, 7)))).toBe('list_file_damaged');
  });
});

describe('the configuration of a list', () => {
  it('The configuration of a list has defaults and refuses what it does not know', () => {
    const wire = { name: 'mine', category: 'allow', source: 'mine.txt', format: 'text' };
    expect(listConfigSchema.parse(wire)).toEqual(
      config({ name: 'mine', category: 'allow', source: 'mine.txt', maxAgeDays: 30 }),
    );
    for (const bad of [
      { ...wire, name: '../evil' },
      { ...wire, category: 'private' },
      { ...wire, category: 'asn' },
      { ...wire, format: 'asn_csv' },
      { ...wire, max_coverage: 0.5 },
      { ...wire, max_age: 3 },
    ]) {
      expect(listConfigSchema.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
    }
  });

  it('The configuration of a list holds for every default feed', () => {
    for (const feed of DEFAULT_FEEDS) {
      const { minCount, maxAgeDays, maxCoverage, ...rest } = feed;
      const wire = { ...rest, min_count: minCount, max_age_days: maxAgeDays, max_coverage: maxCoverage };
      expect(listConfigSchema.parse(wire)).toEqual(feed);
      expect(feed.source).toMatch(/^https:\/\//);
      expect(feed.licence).not.toBe('');
    }
    expect(new Set(DEFAULT_FEEDS.map((feed) => feed.name)).size).toBe(DEFAULT_FEEDS.length);
  });
});
