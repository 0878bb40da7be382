import { readFile } from 'node:fs/promises';
import { messageOf } from '../app/settings.ts';
import { type ApiKey, keysText } from '../model/api-keys.ts';

/** How often the file is looked at: no caller whose key was revoked is believed for longer. */
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
  let live = await textOf(path);
  let keys = keysIn(live, path, reserved);
  let said: string | null = null;
  let closed = false;

  const look = async (): Promise<void> => {
    try {
      const text = await textOf(path);
      const next = text === live ? keys : keysIn(text, path, reserved);
      if (closed) return;
      said = null;
      if (text === live) return;
      live = text;
      keys = next;
      onSwap(keys);
    } catch (error) {
      if (!(error instanceof KeysFileError)) throw error;
      if (closed || error.message === said) return;
      said = error.message;
      onRefused(error);
    }
  };
  let running: Promise<void> = Promise.resolve();
  const inTurn = (): Promise<void> => {
    running = running.catch(() => undefined).then(look);
    return running;
  };
  const timer = setInterval(() => void inTurn(), intervalMs);
  timer.unref();
  return {
    get keys() {
      return keys;
    },
    reload: inTurn,
    close: () => {
      closed = true;
      clearInterval(timer);
    },
  };
}

function keysIn(text: string, path: string, reserved: readonly string[]): readonly ApiKey[] {
  const read = keysText.safeParse(text, { reportInput: true });
  if (!read.success) {
    throw new KeysFileError(read.error.issues.map((issue) => `${path}: ${messageOf(issue)}`).join('\n'));
  }
  const twice = read.data.find(({ name }) => reserved.includes(name));
  if (twice === undefined) return read.data;
  throw new KeysFileError(`${path}: the caller ${twice.name} is in API_KEYS too; take it out of one of the two`);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new KeysFileError(`${path}: cannot be read: ${reason}; \`stepgate keys add\` makes one`);
  }
}
