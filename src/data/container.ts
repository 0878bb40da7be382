import { DataError } from './data-error.ts';

/** Version of data files and of the manifests that list them. */
export const DATA_FORMAT = 3;

/** Ending of the name of every data file. */
export const DATA_SUFFIX = '.sgip';

/** Kind of a data file. */
export interface ContainerKind {
  /** First four bytes of the file, as a little-endian word. */
  readonly magic: number;
  /** For messages: `a compiled address list`. */
  readonly what: string;
  /** Begins the codes of its errors. */
  readonly code: string;
  /** The command that makes such a file. */
  readonly command: string;
}

/** One array of a container. */
export type Section = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

type SectionType<T extends Section> = new (buffer: ArrayBuffer, byteOffset: number, length: number) => T;

/** The type of a section is its index here. */
const TYPES: readonly SectionType<Section>[] = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array];

const HEADER_WORDS = 4;
const ENTRY_WORDS = 3;
/** Every section starts at an offset valid for all types. */
const ALIGNMENT = 8;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Writes sections as one file, little-endian:
 *
 *     u32 × 4        magic of the kind · {@link DATA_FORMAT} · bytes of the file · sections
 *     u32 × 3 each   type · first byte · elements
 *     the sections, each on a multiple of eight bytes
 *     u32            CRC-32 of everything before it
 */
export function encodeContainer({ magic }: ContainerKind, sections: readonly Section[]): Uint8Array<ArrayBuffer> {
  let at = aligned((HEADER_WORDS + sections.length * ENTRY_WORDS) * 4);
  const placed = sections.map((section) => {
    const type = TYPES.findIndex((each) => section instanceof each);
    const entry = { section, type, at };
    at = aligned(at + section.byteLength);
    return entry;
  });
  const bytes = new Uint8Array(at + 4);
  const words = new Uint32Array(bytes.buffer);
  words.set([magic, DATA_FORMAT, bytes.length, sections.length]);
  for (const [index, { section, type, at: first }] of placed.entries()) {
    words.set([type, first, section.length], HEADER_WORDS + index * ENTRY_WORDS);
    bytes.set(new Uint8Array(section.buffer, section.byteOffset, section.byteLength), first);
  }
  words[words.length - 1] = crc32(bytes.subarray(0, -4));
  return bytes;
}

/** Returns the sections of a container in order; the next one must have one of the types. */
export type NextSection = <T extends Section>(...types: readonly SectionType<T>[]) => T;

/**
 * Checks all bytes of a container and opens it. Sections are views of the bytes, unless alignment requires a copy.
 *
 * @throws DataError with the kind's code and `_foreign` (another file), `_version` (another format), `_truncated`
 * (length) or `_damaged` (checksum or layout)
 */
export function openContainer(bytes: Uint8Array, kind: ContainerKind): NextSection {
  const { buffer, byteOffset } =
    bytes.byteOffset % ALIGNMENT === 0 && bytes.buffer instanceof ArrayBuffer
      ? { buffer: bytes.buffer, byteOffset: bytes.byteOffset }
      : { buffer: bytes.slice().buffer, byteOffset: 0 };
  const words = new Uint32Array(buffer, byteOffset, bytes.length >> 2);
  const [magic, format, length, count = 0] = words;
  if (magic !== kind.magic) throw faultOf(kind, 'foreign', `not ${kind.what}`);
  if (format !== DATA_FORMAT) {
    throw faultOf(kind, 'version', `written in format ${format}, this version reads format ${DATA_FORMAT}`);
  }
  if (length !== bytes.length) {
    throw faultOf(kind, 'truncated', `${bytes.length} bytes long, its header says ${length}`);
  }
  if (bytes.length % 4 !== 0 || words.at(-1) !== crc32(bytes.subarray(0, -4))) {
    throw faultOf(kind, 'damaged', 'checksum does not match its content');
  }
  let index = 0;
  return <T extends Section>(...types: readonly SectionType<T>[]): T => {
    const entry = HEADER_WORDS + index * ENTRY_WORDS;
    const [type = -1, first = 0, elements = 0] = index < count ? words.subarray(entry, entry + ENTRY_WORDS) : [];
    index += 1;
    const found = types.find((each) => each === TYPES[type]);
    const size = found === undefined ? 0 : elements * (BYTES_OF[type] ?? 0);
    if (found === undefined || first % ALIGNMENT !== 0 || first + size > bytes.length - 4) {
      throw faultOf(kind, 'damaged', `its section ${index} is not as it should be`);
    }
    return new found(buffer, byteOffset + first, elements);
  };
}

const BYTES_OF: { readonly [type: number]: number } = { 0: 1, 1: 2, 2: 4, 3: 4, 4: 8 };

/** What is wrong with a file, and the command that rebuilds it. */
export function faultOf({ code, command }: ContainerKind, fault: string, found: string): DataError {
  return new DataError(`${code}_${fault}`, `${found}; build it again with \`${command}\``);
}

/** The CRC-32 that a container states for itself. */
export function statedCrc(bytes: Uint8Array): number {
  return bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4).getUint32(0, true);
}

/** CRC-32 of a byte followed by 0 to 3 bytes of zeros, 256 entries each: four bytes are then read at a time. */
const TABLES = Uint32Array.from({ length: 4 * 256 }, (_, index) => {
  let value = index & 255;
  for (let bit = 0; bit < 8 * (1 + (index >> 8)); bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 (ISO-HDLC, as in gzip). Detects accidents, not tampering: the files belong to the operator. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^=
      byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24);
    crc =
      wordAt(768 + (crc & 255)) ^
      wordAt(512 + ((crc >>> 8) & 255)) ^
      wordAt(256 + ((crc >>> 16) & 255)) ^
      wordAt(crc >>> 24);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ wordAt((crc ^ byteAt(bytes, at)) & 255);
  return (crc ^ 0xffffffff) >>> 0;
}

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] as number;
const wordAt = (at: number): number => TABLES[at] as number;
