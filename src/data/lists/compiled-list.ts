import * as z from 'zod';
import { CATEGORIES } from '../../model/reputation.ts';
import { crc32 } from '../crc32.ts';
import { ListError } from './list-text.ts';
import { type CompiledList, LIST_NAME, type ListMeta } from './lists.ts';
import { indexRanges, type V4Ranges, V6_WORDS, type V6Ranges } from './ranges.ts';

/**
 * The file of a compiled list: 32-bit words in little-endian order.
 *
 *     magic "SGIP" · format version · bytes of the JSON header · IPv4 ranges · IPv6 ranges · 1 when ranges carry values
 *     JSON header, padded to a multiple of four
 *     IPv4 starts, ends, values? · IPv6 start and end of each, values?
 *     CRC-32 of everything before it
 */
const MAGIC = 0x50494753;
const FORMAT_VERSION = 2;
const FIXED_WORDS = 6;

/** File name ending of compiled lists. */
export const COMPILED_SUFFIX = '.sgip';

const metaSchema = z.strictObject({
  name: z.string().regex(LIST_NAME),
  category: z.enum([...CATEGORIES.filter((category) => category !== 'private'), 'asn']),
  source: z.string(),
  recipe: z.string(),
  updatedAtMs: z.number(),
  maxAgeDays: z.number().positive(),
  entries: z.int().min(0),
  notPublic: z.int().min(0),
  unparsable: z.int().min(0),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
});

/** Writes a compiled list as bytes. */
export function encodeList(list: CompiledList): Uint8Array {
  const { v4, v6 } = list.set;
  const header = new TextEncoder().encode(JSON.stringify(list.meta));
  const headerWords = Math.ceil(header.length / 4);
  const parts = [v4.starts, v4.ends, v4.values, v6.bounds, v6.values].filter((part) => part !== null);
  const length = FIXED_WORDS + headerWords + parts.reduce((sum, part) => sum + part.length, 0) + 1;
  const words = new Uint32Array(length);
  const bytes = new Uint8Array(words.buffer);
  const counts = [v4.starts.length, v6.bounds.length / V6_WORDS];
  words.set([MAGIC, FORMAT_VERSION, header.length, ...counts, v4.values === null ? 0 : 1]);
  bytes.set(header, FIXED_WORDS * 4);
  let offset = FIXED_WORDS + headerWords;
  for (const part of parts) {
    words.set(part, offset);
    offset += part.length;
  }
  words[length - 1] = crc32(bytes.subarray(0, (length - 1) * 4));
  return bytes;
}

/** True when starts and ends are in order and never overlap. */
function isInOrder4({ starts, ends }: V4Ranges): boolean {
  let before = -1;
  for (const [index, start] of starts.entries()) {
    const end = ends[index] ?? 0;
    if (start <= before || end < start) return false;
    before = end;
  }
  return true;
}

/** The same for words of IPv6: each start lies behind the end before it, and none behind its own. */
function isInOrder6({ bounds }: V6Ranges): boolean {
  for (let at = 4; at < bounds.length; at += 4) {
    let word = 0;
    while (word < 3 && bounds[at + word] === bounds[at + word - 4]) word += 1;
    const difference = (bounds[at + word] ?? 0) - (bounds[at + word - 4] ?? 0);
    const isStart = at % V6_WORDS === 0;
    if (difference < 0 || (isStart && difference === 0)) return false;
  }
  return true;
}

function readMeta(bytes: Uint8Array): ListMeta {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ListError('list_file_damaged', `header is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = metaSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ListError('list_file_damaged', `header ${issue?.path.join('.')}: ${issue?.message}`);
  }
  return parsed.data;
}

/**
 * Reads the bytes of a compiled list and checks all of it.
 *
 * @throws ListError `list_file_foreign` (not such a file), `list_file_version` (written by another version), `list_file_truncated`
 *   (length), `list_file_damaged` (checksum, header or order). The cure is the same: build the list again.
 */
export function decodeList(bytes: Uint8Array): CompiledList {
  // Typed arrays of words need an aligned start, which a slice of a larger buffer need not have.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.length / 4));
  if (words.length === 0 || words[0] !== MAGIC) {
    throw new ListError('list_file_foreign', 'not a compiled address list; build it again with `stepgate lists build`');
  }
  if (words[1] !== FORMAT_VERSION) {
    throw new ListError(
      'list_file_version',
      `compiled in format ${words[1]}, this version reads format ${FORMAT_VERSION}; build it again with \`stepgate lists build\``,
    );
  }
  const [, , headerBytes = 0, v4Count = 0, v6Count = 0, valued = 0] = words;
  const perV4 = valued === 1 ? 3 : 2;
  const perV6 = valued === 1 ? 9 : 8;
  const headerWords = Math.ceil(headerBytes / 4);
  const expected = FIXED_WORDS + headerWords + v4Count * perV4 + v6Count * perV6 + 1;
  if (aligned.length !== expected * 4) {
    throw new ListError('list_file_truncated', `${aligned.length} bytes long, its header says ${expected * 4}`);
  }
  const checksum = crc32(aligned.subarray(0, (expected - 1) * 4));
  if (words[expected - 1] !== checksum) {
    throw new ListError('list_file_damaged', 'checksum does not match its content; build it again');
  }
  const meta = readMeta(aligned.subarray(FIXED_WORDS * 4, FIXED_WORDS * 4 + headerBytes));
  let offset = FIXED_WORDS + headerWords;
  const take = (length: number): Uint32Array => {
    offset += length;
    return words.subarray(offset - length, offset);
  };
  const v4: V4Ranges = {
    starts: take(v4Count),
    ends: take(v4Count),
    values: valued === 1 ? take(v4Count) : null,
  };
  const v6: V6Ranges = {
    bounds: take(v6Count * V6_WORDS),
    values: valued === 1 ? take(v6Count) : null,
  };
  if (!isInOrder4(v4) || !isInOrder6(v6)) {
    throw new ListError('list_file_damaged', 'its ranges are out of order; build it again');
  }
  return { meta, set: indexRanges(v4, v6) };
}
