import * as z from 'zod';
import type { Address } from '../../model/address.ts';
import { messageOf } from '../../model/error-text.ts';
import { isWithinNotPublicV4, isWithinNotPublicV6, parseAddress, parseCidr } from '../../net/ip.ts';
import { csvFields } from '../csv.ts';
import { DataError } from '../data-error.ts';
import { type Span, wordsToBigint } from '../ranges.ts';
import type { ListConfig } from './list-config.ts';

/** Entries this wide or wider are never accepted: IPv4 /8, IPv6 /19. */
const WIDEST_V4 = 2 ** 24;
const WIDEST_V6 = 1n << 109n;

/** The content of a list's text, before it is compiled. */
export interface ParsedList {
  readonly v4: readonly Span<number>[];
  readonly v6: readonly Span<bigint>[];
  /** Entries kept. */
  readonly entries: number;
  /** Entries left out because they are private, shared or reserved. */
  readonly notPublic: number;
  /** Entries left out because their count was below `minCount`. */
  readonly belowCount: number;
  /** Lines with content, readable or not. */
  readonly lines: number;
  readonly unparsable: number;
  readonly firstUnparsable: string | null;
  readonly tooWide: number;
  readonly firstTooWide: string | null;
}

type Sink = ReturnType<typeof collector>;

function collector(guardWidth: boolean) {
  const v4: Span<number>[] = [];
  const v6: Span<bigint>[] = [];
  const counts = { notPublic: 0, belowCount: 0, lines: 0, unparsable: 0, tooWide: 0 };
  let firstUnparsable: string | null = null;
  let firstTooWide: string | null = null;
  const wide = (text: string): void => {
    counts.tooWide++;
    firstTooWide ??= text.slice(0, 80);
  };
  return {
    counts,
    unparsable(text: string): void {
      counts.unparsable++;
      firstUnparsable ??= text.slice(0, 80);
    },
    addV4(start: number, end: number, value: number, text: string): void {
      if (isWithinNotPublicV4(start, end)) counts.notPublic++;
      else if (guardWidth && end - start + 1 >= WIDEST_V4) wide(text);
      else v4.push({ start, end, value });
    },
    addV6(first: readonly number[], last: readonly number[], value: number, text: string): void {
      const start = wordsToBigint(first);
      const end = wordsToBigint(last);
      if (isWithinNotPublicV6(first[0] ?? 0, last[0] ?? 0)) counts.notPublic++;
      else if (guardWidth && end - start + 1n >= WIDEST_V6) wide(text);
      else v6.push({ start, end, value });
    },
    result: (): ParsedList => ({
      v4,
      v6,
      entries: v4.length + v6.length,
      ...counts,
      firstUnparsable,
      firstTooWide,
    }),
  };
}

function lastOf(words: readonly number[], prefix: number): number[] {
  return words.map((word, index) => {
    const bits = Math.max(0, Math.min(32, prefix - index * 32));
    return bits === 32 ? word : (word | (0xffffffff >>> bits)) >>> 0;
  });
}

/** Longer lines and entries are unreadable; no pattern is run on them. */
const MAX_LENGTH = 1024;

/** First and last address of an entry, as words. */
interface Block {
  readonly version: 4 | 6;
  readonly first: readonly number[];
  readonly last: readonly number[];
}

function addBlock(sink: Sink, block: Block | null, value: number, text: string): void {
  if (block === null) sink.unparsable(text);
  else if (block.version === 4) sink.addV4(block.first[0] ?? 0, block.last[0] ?? 0, value, text);
  else sink.addV6(block.first, block.last, value, text);
}

/** Adds an address, CIDR or range `a-b`. */
function addEntry(sink: Sink, text: string, value: number): void {
  addBlock(sink, text.length > MAX_LENGTH ? null : blockOf(fieldsOf(text)), value, text);
}

/** Every dash but the plain one that people and word processors write between two addresses. */
const DASHES = /[[\p{Pd}--\-]\u2212\u00ad]/gv;

function fieldsOf(text: string): string[] {
  return text
    .trim()
    .replace(DASHES, '-')
    .split(/[\s,|;]+/);
}

/**
 * Reads the fields of a line: an address or block, and possibly a second address, which ends the range or is its netmask. Null for
 * anything else: a line with two addresses is never a single host.
 */
function blockOf([head = '', next = '', third = '', ...rest]: readonly string[]): Block | null {
  const dash = head.indexOf('-');
  if (dash === head.length - 1 && dash > 0) return alone(rangeOf(head.slice(0, -1), next), [third, ...rest]);
  if (dash > 0) return alone(rangeOf(head.slice(0, dash), head.slice(dash + 1)), [next, third, ...rest]);
  if (next === '-') return alone(rangeOf(head, third), rest);
  if (next.startsWith('-') && isAddressed(next.slice(1))) return alone(rangeOf(head, next.slice(1)), [third, ...rest]);
  if (!isAddressed(next)) return alone(namesLength(head, next) ? null : singleOf(head), [third, ...rest]);
  return alone(head.includes('/') ? null : (maskedOf(head, next) ?? rangeOf(head, next)), [third, ...rest]);
}

/**
 * Whether a number after an address may be the size of a block that starts there: its prefix length, or its number of addresses. It
 * may also be a count of something else, so the line is unreadable.
 */
function namesLength(head: string, next: string): boolean {
  const address = parseAddress(head);
  if (address?.version !== 4 || !/^\d{1,8}$/.test(next)) return false;
  const value = address.words[0] ?? 0;
  const isBegin = (size: number): boolean => size > 1 && value % size === 0;
  const length = Number(next);
  if (length >= MIN_PREFIX && length < 32) return isBegin(2 ** (32 - length));
  return length >= 256 && Number.isInteger(Math.log2(length)) && isBegin(length);
}

/** Lists never have a wider block, and counts of attacks are often below this. */
const MIN_PREFIX = 8;

/** The block, unless another address follows it. */
function alone(block: Block | null, rest: readonly string[]): Block | null {
  return rest.some(isAddressed) ? null : block;
}

function isAddressed(field: string): boolean {
  return parseCidr(field) !== null;
}

/** An address, a CIDR, or a block with its netmask after the slash. */
function singleOf(text: string): Block | null {
  const slash = text.indexOf('/');
  const mask = slash > 0 ? text.slice(slash + 1) : '';
  if (mask.includes('.') || mask.includes(':')) return maskedOf(text.slice(0, slash), mask);
  const cidr = parseCidr(text);
  return cidr && { version: cidr.version, first: cidr.words, last: lastOf(cidr.words, cidr.prefix) };
}

function rangeOf(from: string, to: string): Block | null {
  const first = parseAddress(from);
  const last = parseAddress(to);
  if (first === null || last === null || first.version !== last.version) return null;
  // No client address starts like this: it is a netmask, with a hole or after an address of the other family.
  if (isMaskLike(last)) return null;
  if (wordsToBigint(first.words) > wordsToBigint(last.words)) return null;
  return { version: first.version, first: first.words, last: last.words };
}

function maskedOf(text: string, mask: string): Block | null {
  const address = parseAddress(text);
  const words = parseAddress(mask);
  if (address === null || words === null || address.version !== words.version || !isMaskLike(words)) return null;
  const bits = words.words.map((word) => word.toString(2).padStart(32, '0')).join('');
  return /^1+0*$/.test(bits) ? singleOf(`${address.text}/${bits.lastIndexOf('1') + 1}`) : null;
}

/** Whether an address starts like a netmask: 255 in IPv4, ffff in IPv6. */
function isMaskLike({ version, words: [word = 0] }: Address): boolean {
  return version === 4 ? word >>> 24 === 0xff : word >>> 16 === 0xffff;
}

function* linesOf(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(from, end).trim();
    if (line !== '') yield line;
    from = end + 1;
  }
}

/** Lines for patterns, without remarks; lines that are too long are counted as unreadable. */
function* shortLinesOf(sink: Sink, text: string, remark?: string): Generator<string> {
  for (const raw of linesOf(text)) {
    const line = remark === undefined ? raw : before(raw, remark);
    if (line.length <= MAX_LENGTH) yield line;
    else if (!line.startsWith('#')) {
      sink.counts.lines++;
      sink.unparsable(line);
    }
  }
}

function parseText(sink: Sink, text: string, minCount: number): void {
  for (const line of shortLinesOf(sink, text, '#')) {
    if (line === '' || line.startsWith(';')) continue;
    sink.counts.lines++;
    const fields = fieldsOf(before(line, ';'));
    if (line.includes(';')) {
      // A remark, unless the mark separates the columns of a table and the next one is an address.
      const [remark = ''] = fieldsOf(line.slice(line.indexOf(';') + 1));
      if (isAddressed(remark)) fields.push(remark);
    }
    const [, count = ''] = fields;
    if (minCount > 0 && /^\d+$/.test(count) && Number(count) < minCount) sink.counts.belowCount++;
    else addBlock(sink, blockOf(minCount > 0 ? withoutCount(fields) : fields), 0, line);
  }
}

/** A number after the address is known to be a count. */
function withoutCount([head = '', count = '', ...rest]: readonly string[]): string[] {
  return /^\d+$/.test(count) ? [head, ...rest] : [head, count, ...rest];
}

/** The part before the mark, trimmed. */
function before(line: string, mark: string): string {
  const at = line.indexOf(mark);
  return at < 0 ? line : line.slice(0, at).trim();
}

function parseCsv(sink: Sink, text: string, column: number | string): void {
  let index = typeof column === 'number' ? column : -1;
  for (const line of shortLinesOf(sink, text)) {
    if (line.startsWith('#')) continue;
    const fields = csvFields(line);
    if (index < 0) {
      index = fields.indexOf(String(column));
      if (index < 0) {
        throw new DataError(
          'list_not_parsable',
          `the first line has no column "${column}"; it reads "${line.slice(0, 80)}"`,
        );
      }
      continue;
    }
    sink.counts.lines++;
    addBlock(sink, columnOf(fields, index), 0, line);
  }
}

/** The entry of a column. The next column may contain the end or netmask of a single address, and no other address. */
function columnOf(fields: readonly string[], index: number): Block | null {
  const entry = fieldsOf(fields[index] ?? '');
  const saysItsEnd = entry.length > 1 || entry.some((field) => /[/-]/.test(field));
  if (saysItsEnd) return blockOf(entry);
  const [next = '', ...others] = fields.slice(index + 1);
  if ([...fields.slice(0, index), ...others].some(isAddressed)) return null;
  return blockOf(isAddressed(next) || /^\d+$/.test(next) ? [...entry, next] : entry);
}

const cloudPrefixSchema = z.object({
  ip_prefix: z.string().optional(),
  ipv6_prefix: z.string().optional(),
  ipv4Prefix: z.string().optional(),
  ipv6Prefix: z.string().optional(),
});
const cloudSchema = z.object({
  prefixes: z.array(cloudPrefixSchema),
  ipv6_prefixes: z.array(cloudPrefixSchema).default([]),
});

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError('list_not_parsable', `not JSON: ${messageOf(error)}`);
  }
}

function parseCloudJson(sink: Sink, text: string): void {
  const parsed = cloudSchema.safeParse(readJson(text));
  if (!parsed.success) {
    throw new DataError(
      'list_not_parsable',
      `not the JSON of address ranges that AWS or Google publish: ${parsed.error.issues[0]?.message ?? 'unknown shape'}`,
    );
  }
  for (const item of [...parsed.data.prefixes, ...parsed.data.ipv6_prefixes]) {
    sink.counts.lines++;
    const prefix = item.ip_prefix ?? item.ipv6_prefix ?? item.ipv4Prefix ?? item.ipv6Prefix;
    if (prefix === undefined) sink.unparsable(JSON.stringify(item));
    else addEntry(sink, prefix, 0);
  }
}

const jsonLineSchema = z.union([z.object({ cidr: z.string() }), z.object({ type: z.literal('metadata') })]);

function parseJsonLines(sink: Sink, text: string): void {
  for (const line of linesOf(text)) {
    const parsed = jsonLineSchema.safeParse(readJson(line));
    if (parsed.success && !('cidr' in parsed.data)) continue;
    sink.counts.lines++;
    if (parsed.success && 'cidr' in parsed.data) addEntry(sink, parsed.data.cidr, 0);
    else sink.unparsable(line);
  }
}

const MAX_ASN = 0xffffffff;

function readAsn(text: string): number | null {
  const value = /^(?:AS)?(\d{1,10})$/i.exec(text)?.[1];
  return value !== undefined && Number(value) <= MAX_ASN ? Number(value) : null;
}

function parseAsn(sink: Sink, text: string, format: 'asn_csv' | 'asn_tsv'): void {
  for (const line of shortLinesOf(sink, text)) {
    if (line.startsWith('#') || line.startsWith('network,')) continue;
    const fields = format === 'asn_csv' ? csvFields(line) : line.split('\t');
    const [first = '', second = '', third = ''] = fields;
    sink.counts.lines++;
    const asn = readAsn(format === 'asn_csv' ? second : third);
    // AS 0 marks space that is not announced (RFC 7607); some tables leave the number of such a block empty.
    if (asn === 0 || (asn === null && format === 'asn_csv' && second === '')) continue;
    if (asn === null) sink.unparsable(line);
    else if (format === 'asn_csv') addEntry(sink, first, asn);
    else addBlock(sink, rangeOf(first, second), asn, line);
  }
}

/**
 * Reads the text of a list. Unreadable lines are counted, not fatal; `compileList` limits their share.
 *
 * @throws DataError `list_not_parsable` if the text as a whole is not in the format
 */
export function parseList(text: string, config: Pick<ListConfig, 'format' | 'column' | 'minCount'>): ParsedList {
  if (/^\s*<(?:!|\?|[a-z])/i.test(text)) {
    throw new DataError('list_not_parsable', `the text is a page of markup, not a list: "${text.trim().slice(0, 60)}"`);
  }
  const sink = collector(!config.format.startsWith('asn_'));
  switch (config.format) {
    case 'text':
      parseText(sink, text, config.minCount);
      break;
    case 'csv':
      parseCsv(sink, text, config.column);
      break;
    case 'json':
      parseCloudJson(sink, text);
      break;
    case 'json_lines':
      parseJsonLines(sink, text);
      break;
    case 'asn_csv':
    case 'asn_tsv':
      parseAsn(sink, text, config.format);
      break;
  }
  return sink.result();
}
