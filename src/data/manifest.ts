import * as z from 'zod';
import { type ContainerKind, crc32, DATA_FORMAT, DATA_SUFFIX, faultOf, statedCrc } from './container.ts';
import { DataError } from './data-error.ts';

/** Name of the file that lists the others of its directory. */
export const MANIFEST_FILE = 'manifest.json';

/** A file in the manifest: name, size in bytes, and the CRC-32 at its end. */
export type ListedFile = readonly [name: string, bytes: number, crc32: number];

/** Files that belong together: they are loaded as a whole, and a missing one is an error. */
export interface Manifest<About> {
  readonly format: typeof DATA_FORMAT;
  /** What the files are made of. */
  readonly about: About;
  readonly files: readonly ListedFile[];
  /** CRC-32 of the JSON of everything else. */
  readonly checksum: number;
}

/** Description of a kind of manifest, and the command that rebuilds it. */
export interface ManifestKind<About> {
  readonly about: z.ZodType<About>;
  readonly command: string;
}

const FILE_NAME = new RegExp(`^[a-z0-9][a-z0-9-]*\\${DATA_SUFFIX}$`);

const filesSchema = z.array(z.tuple([z.string().regex(FILE_NAME), z.int().min(0), z.int().min(0)]));

/** The manifest of these files. The same files give the same text. */
export function manifestOf<About>(about: About, files: Iterable<readonly [string, Uint8Array]>): Manifest<About> {
  const listed = Array.from(files, ([name, bytes]): ListedFile => [name, bytes.length, statedCrc(bytes)]);
  const content = { format: DATA_FORMAT, about, files: listed } as const;
  return { ...content, checksum: checksumOf(content) };
}

function checksumOf({ format, about, files }: Omit<Manifest<unknown>, 'checksum'>): number {
  return crc32(new TextEncoder().encode(JSON.stringify([format, about, files])));
}

/** The text of a manifest, one file on a line. */
export function formatManifest({ format, about, files, checksum }: Manifest<unknown>): string {
  const lines = files.map((file) => `\n    ${JSON.stringify(file)}`).join(',');
  const head = JSON.stringify({ format, about }, null, 2).slice(0, -2);
  return `${head},\n  "files": [${lines}\n  ],\n  "checksum": ${checksum}\n}\n`;
}

/**
 * Reads and checks the text of a manifest.
 *
 * @throws DataError `manifest_damaged` or `manifest_version`
 */
export function parseManifest<About>(text: string, { about, command }: ManifestKind<About>): Manifest<About> {
  const fault = (code: string, found: string, options?: ErrorOptions): DataError =>
    new DataError(code, `${MANIFEST_FILE} ${found}; build it again with \`${command}\``, options);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fault('manifest_damaged', 'is not JSON', { cause: error });
  }
  const version = z.looseObject({ format: z.int() }).safeParse(json);
  if (version.success && version.data.format !== DATA_FORMAT) {
    throw fault('manifest_version', `is of format ${version.data.format}, this version reads ${DATA_FORMAT}`);
  }
  const parsed = z
    .strictObject({ format: z.literal(DATA_FORMAT), about, files: filesSchema, checksum: z.int().min(0) })
    .safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw fault('manifest_damaged', `has another shape (${issue?.path.join('.')}: ${issue?.message})`);
  }
  if (parsed.data.checksum !== checksumOf(parsed.data)) {
    throw fault('manifest_damaged', 'does not match its checksum');
  }
  return parsed.data;
}

/** Reads one file by name; null if it does not exist. Rejects if it cannot be read now. */
export type ReadFile = (name: string) => Promise<Uint8Array | null>;

/**
 * Reads the manifest of a directory or of assets.
 *
 * @throws DataError `manifest_missing`, and as {@link parseManifest}
 */
export async function readManifest<About>(read: ReadFile, kind: ManifestKind<About>): Promise<Manifest<About>> {
  const bytes = await read(MANIFEST_FILE);
  if (bytes !== null) return parseManifest(new TextDecoder().decode(bytes), kind);
  throw new DataError('manifest_missing', `there is no ${MANIFEST_FILE}; run \`${kind.command}\``);
}

/**
 * Reads a file that a manifest lists.
 *
 * @throws DataError with the kind's code and `_missing`, `_truncated`, or `_foreign` for a file of another build
 */
export async function readListed(
  read: ReadFile,
  [name, size, crc]: ListedFile,
  kind: ContainerKind,
): Promise<Uint8Array> {
  const bytes = await read(name);
  if (bytes === null) throw new DataError(`${kind.code}_missing`, `there is no ${name}; run \`${kind.command}\``);
  if (bytes.length !== size) throw faultOf(kind, 'truncated', `${name} holds ${bytes.length} bytes, not ${size}`);
  if (statedCrc(bytes) !== crc) throw faultOf(kind, 'foreign', `the checksum of ${name} belongs to another file`);
  return bytes;
}
