import { z } from 'zod';
import { crc32 } from '../crc32.ts';
import { LIST_NAME } from './lists.ts';

/** Name of the file that says which lists lie beside it. */
export const LIST_INDEX_FILE = 'lists.json';

/** The index as it is read. */
export const indexSchema = z.strictObject({
  format: z.literal(1),
  /** Names of the files. */
  files: z.array(z.string().regex(new RegExp(`${LIST_NAME.source.slice(0, -1)}\\.sgip$`))),
  /** CRC-32 of the names, so that a list that fell out is missed. */
  checksum: z.int().min(0),
});

/** CRC-32 over the names of the files. */
export const checksumOf = (files: readonly string[]): number => crc32(new TextEncoder().encode(files.join('\n')));

/** The text of the index of these files. */
export function formatListIndex(files: readonly string[]): string {
  return `${JSON.stringify({ format: 1, files, checksum: checksumOf(files) }, null, 2)}\n`;
}
