import { createHash, randomBytes } from 'node:crypto';
import { readFile, unlink, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { isMissingFile, replaceFile } from '../data/directory.ts';
import { CALLER_NAME, type KeysDocument, keysDocument, RIGHTS } from '../model/api-keys.ts';
import { issueSentence } from '../model/issue.ts';
import { CliError, isFileError, orCliError } from './fault.ts';
import { JSON_FLAG } from './options.ts';
import { print, table } from './output.ts';

const FILE = ['--file <path>', 'keys file; default: API_KEYS_FILE'] as const;

/** `keys add`, `keys list` and `keys revoke`. */
export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('callers and their rights in the keys file; a running service reloads it within a second');
  keys
    .command('add')
    .argument('<name>', 'of the caller')
    .description('create a key and print its secret, which is shown only once')
    .requiredOption('--rights <list>', `comma-separated, of ${RIGHTS.join(', ')}`)
    .option(...FILE)
    .option(...JSON_FLAG)
    .action(add);
  keys
    .command('list')
    .description('print the callers and their rights')
    .option(...FILE)
    .option(...JSON_FLAG)
    .action(list);
  keys
    .command('revoke')
    .argument('<name>', 'of the caller')
    .description('remove a key')
    .option(...FILE)
    .option(...JSON_FLAG)
    .action(revoke);
}

interface Options {
  readonly file?: string;
  readonly json: boolean;
}

/** 256 bits, which no digest gives away. */
const SECRET_BYTES = 32;

async function add(name: string, { rights: text, ...options }: Options & { readonly rights: string }): Promise<void> {
  const rights = rightsOf(text);
  if (!CALLER_NAME.test(name)) {
    throw new CliError(`${JSON.stringify(name)} is not a caller name: use 1 to 64 letters, digits, ".", "_" and "-"`);
  }
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const path = pathOf(options);
  await changed(path, (before) => {
    const { version, keys } = before ?? EMPTY;
    if (keys.some((key) => key.name === name)) {
      throw new CliError(`${path} has a key of ${name} already; revoke it first, or choose another name`);
    }
    const sha256 = createHash('sha256').update(secret).digest('hex');
    return { version, keys: [...keys, { name, sha256, rights }] };
  });
  print(options.json, { name, rights, secret }, () => secret);
}

async function list(options: Options): Promise<void> {
  const { keys } = (await orCliError(() => documentIn(pathOf(options)), isFileError)) ?? EMPTY;
  const callers = keys.map(({ name, rights }) => ({ name, rights }));
  print(options.json, callers, () =>
    table([['CALLER', 'RIGHTS'], ...callers.map(({ name, rights }) => [name, rights.join(', ')])]),
  );
}

async function revoke(name: string, options: Options): Promise<void> {
  const path = pathOf(options);
  await changed(path, (before) => {
    const { version, keys } = before ?? EMPTY;
    if (!keys.some((key) => key.name === name)) {
      throw new CliError(`${path} has no key of ${name}; it has ${keys.map((key) => key.name).join(', ') || 'none'}`);
    }
    return { version, keys: keys.filter((key) => key.name !== name) };
  });
  print(options.json, { revoked: name }, () => `the key of ${name} has been removed`);
}

const EMPTY: KeysDocument = { version: 1, keys: [] };

function rightsOf(text: string): KeysDocument['keys'][number]['rights'] {
  const named = [...new Set(text.split(',').map((part) => part.trim()))];
  const rights = RIGHTS.filter((right) => named.includes(right));
  const unknown = named.filter((part) => !RIGHTS.some((right) => right === part));
  if (unknown.length === 0) return rights;
  throw new CliError(
    `--rights: ${unknown.map((part) => JSON.stringify(part)).join(', ')} must be one of ${RIGHTS.join(', ')}`,
  );
}

function pathOf({ file }: Options): string {
  const path = file ?? process.env.API_KEYS_FILE?.trim();
  if (path === undefined || path === '') throw new CliError('name the keys file by --file, or set API_KEYS_FILE');
  return path;
}

/** Null if there is no file yet. */
async function documentIn(path: string): Promise<KeysDocument | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
  const read = keysDocument.safeParse(jsonOf(path, text), { reportInput: true });
  if (read.success) return read.data;
  throw new CliError(read.error.issues.map((issue) => `${path}: ${issueSentence(issue)}`).join('\n'));
}

function jsonOf(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`${path} is not valid JSON`);
  }
}

/** Replaces the file as a whole. The file `.new` next to it locks out other writers. */
async function changed(path: string, change: (before: KeysDocument | null) => KeysDocument): Promise<void> {
  const next = `${path}.new`;
  await orCliError(async () => {
    try {
      await writeFile(next, '', { flag: 'wx' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      throw new CliError(
        `${next} is there: another command is changing the file, or one was broken off; then delete it`,
      );
    }
    try {
      await replaceFile(path, `${JSON.stringify(change(await documentIn(path)), null, 2)}\n`);
    } finally {
      await unlink(next);
    }
  }, isFileError);
}
