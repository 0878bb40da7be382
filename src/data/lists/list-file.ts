import * as z from 'zod';
import { messageOf } from '../../model/error-text.ts';
import { CATEGORIES } from '../../model/reputation.ts';
import { type ContainerKind, encodeContainer, faultOf, openContainer } from '../container.ts';
import type { ManifestKind } from '../manifest.ts';
import { indexed, isInOrder } from '../ranges.ts';
import { type CompiledList, LIST_NAME, type ListMeta } from './lists.ts';

/**
 * The file of a compiled list. Sections: metadata as JSON; bounds and values of its IPv4 ranges; the same for IPv6. Only AS lists have
 * values.
 */
export const LIST: ContainerKind = {
  magic: 0x50494753,
  what: 'a compiled address list',
  code: 'list_file',
  command: 'stepgate lists update` or `stepgate lists build',
};

/** Compiled lists that are published together. */
export const LISTS_MANIFEST: ManifestKind<object> = { about: z.strictObject({}), command: 'npm run build:worker' };

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
export function encodeList({ meta, set: { v4, v6 } }: CompiledList): Uint8Array<ArrayBuffer> {
  const none = new Uint32Array();
  const head = new TextEncoder().encode(JSON.stringify(meta));
  return encodeContainer(LIST, [head, v4.bounds, v4.values ?? none, v6.bounds, v6.values ?? none]);
}

/**
 * Opens the bytes of a compiled list and checks all of it. The list must have the name of its file.
 *
 * @throws DataError `list_file_foreign`, `list_file_version`, `list_file_truncated` or `list_file_damaged`
 */
export function decodeList(bytes: Uint8Array, name?: string): CompiledList {
  const next = openContainer(bytes, LIST);
  const meta = readMeta(next(Uint8Array));
  const isValued = meta.category === 'asn';
  const ranges = (words: 1 | 4) => {
    const bounds = next(Uint32Array);
    const values = next(Uint32Array);
    const count = bounds.length / (words * 2);
    if (!isInOrder({ words, bounds })) throw faultOf(LIST, 'damaged', 'its ranges are out of order');
    if (values.length !== (isValued ? count : 0))
      throw faultOf(LIST, 'damaged', 'its values are not as many as its ranges');
    return indexed(words, bounds, isValued ? values : null);
  };
  const list = { meta, set: { v4: ranges(1), v6: ranges(4) } };
  if (name === undefined || meta.name === name) return list;
  throw faultOf(LIST, 'foreign', `holds the list "${meta.name}", and a list's file bears its name`);
}

function readMeta(bytes: Uint8Array): ListMeta {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw faultOf(LIST, 'damaged', `header is not JSON (${messageOf(error)})`);
  }
  const parsed = metaSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw faultOf(LIST, 'damaged', `header ${issue?.path.join('.')}: ${issue?.message}`);
}
