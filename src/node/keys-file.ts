import { readFile } from 'node:fs/promises';
import { live } from '../data/live.ts';
import { type ApiKey, keysText } from '../model/api-keys.ts';
import { messageOf } from '../model/error-text.ts';
import { issueSentence } from '../model/issue.ts';

/** How often the file is checked: a revoked key is accepted no longer than this. */
const LOOK_MS = 1000;

/** The keys file cannot be used. The message names no secret. */
export class KeysFileError extends Error {
  override readonly name = 'KeysFileError';
}

/** Callbacks of a watched file. */
export interface KeysWatchOptions {
  /** Names that the file must not use: those of API_KEYS. */
  readonly reserved?: readonly string[];
  readonly onSwap: (keys: readonly ApiKey[]) => void;
  /** A new version was refused, and the previous keys stay valid. Called once for each. */
  readonly onRefused: (error: KeysFileError) => void;
  /** In milliseconds; default 1000. */
  readonly intervalMs?: number;
}

/** A keys file under watch. */
export interface WatchedKeys {
  /** Those in force. */
  readonly keys: readonly ApiKey[];
  /** Checks the file now; resolves when the outcome has been reported. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * The keys of a file.
 * @throws {KeysFileError}
 */
export async function loadKeys(path: string, reserved: readonly string[] = []): Promise<readonly ApiKey[]> {
  return keysIn(await textOf(path), path, reserved);
}

/**
 * Loads a keys file and reloads it as a whole. A missing, partial or invalid version is refused. Does not keep the
 * process alive.
 *
 * @throws {KeysFileError} if the file is unusable at first
 */
export async function watchKeys(path: string, options: KeysWatchOptions): Promise<WatchedKeys> {
  const { reserved = [], onSwap, onRefused, intervalMs = LOOK_MS } = options;
  const load = (text: string): FileOfKeys => ({ text, keys: keysIn(text, path, reserved) });
  const text = await textOf(path);
  const file = live<FileOfKeys, string>({
    version: () => textOf(path),
    load,
    first: { version: text, value: load(text) },
    isSame: (next, current) => next.text === current.text,
    onSwap: ({ keys }) => onSwap(keys),
    onProblem: (error) => onRefused(error instanceof KeysFileError ? error : new KeysFileError(error.message)),
    intervalMs,
  });
  return {
    get keys() {
      return file.current().keys;
    },
    reload: file.reload,
    close: file.close,
  };
}

interface FileOfKeys {
  readonly text: string;
  readonly keys: readonly ApiKey[];
}

function keysIn(text: string, path: string, reserved: readonly string[]): readonly ApiKey[] {
  const read = keysText.safeParse(text, { reportInput: true });
  if (!read.success) {
    throw new KeysFileError(read.error.issues.map((issue) => `${path}: ${issueSentence(issue)}`).join('\n'));
  }
  const twice = read.data.find(({ name }) => reserved.includes(name));
  if (twice === undefined) return read.data;
  throw new KeysFileError(`${path}: the caller ${twice.name} is in API_KEYS too; take it out of one of the two`);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new KeysFileError(`${path}: cannot be read: ${messageOf(error)}; \`stepgate keys add\` makes one`);
  }
}
