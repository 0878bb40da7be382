import type { Command } from 'commander';
import type { Settings } from '../app/settings.ts';
import { storedOf } from '../http/subjects.ts';
import { StoreError } from '../model/store-error.ts';
import { DEFAULT_SPACE, impliedSpace, normaliseSubject, USER_TYPE } from '../model/subject.ts';
import { subjectPseudonym } from '../store/keys.ts';
import { pseudonymizer } from '../store/pseudonym.ts';
import { RedisUrlError } from '../store/redis/url.ts';
import type { Pseudonym, Store } from '../store/store.ts';
import { CliError, orCliError } from './fault.ts';
import { demand, localSettings } from './local-settings.ts';
import { JSON_FLAG } from './options.ts';
import { print } from './output.ts';
import { connectedRedis } from './redis.ts';

/** `subject show` and `subject erase`. */
export function addSubject(program: Command): void {
  const subject = program
    .command('subject')
    .description('what the store in REDIS_URL has about one subject (needs PRIVACY_KEY)');
  subject
    .command('show')
    .argument('<id>')
    .description('print baseline and counters as JSON')
    .option(...SPACE)
    .option(...TYPE)
    .action(show);
  subject
    .command('erase')
    .argument('<id>')
    .description('erase everything about the subject')
    .option(...SPACE)
    .option(...TYPE)
    .option(...JSON_FLAG)
    .action(erase);
}

const SPACE = ['--space <name>', 'subject space of the id, if STEP_UP_ISSUERS has several'] as const;
const TYPE = ['--type <type>', 'what the id names', USER_TYPE] as const;

interface WhichSubject {
  readonly space?: string;
  readonly type: string;
}

async function show(id: string, which: WhichSubject): Promise<void> {
  const nowMs = Date.now();
  await withSubject(id, which, async (store, key, subject) => {
    const record = await store.readSubject(key, nowMs);
    if (record === null) {
      process.stderr.write('nothing is stored about this subject\n');
      process.exitCode = 1;
    } else print(true, storedOf(subject, record, Math.floor(nowMs / 1000)), () => '');
  });
}

async function erase(id: string, { json, ...which }: WhichSubject & { readonly json: boolean }): Promise<void> {
  await withSubject(id, which, async (store, key) => {
    await store.forgetSubject(key);
    print(json, { erased: true }, () => 'erased everything about this subject');
  });
}

async function withSubject(
  id: string,
  which: WhichSubject,
  work: (store: Store, key: Pseudonym, subject: string) => Promise<void>,
): Promise<void> {
  const settings = await localSettings();
  demand(settings, ['REDIS_URL', 'PRIVACY_KEY']);
  const subject = normaliseSubject(id);
  if (subject === null) throw new CliError(`${JSON.stringify(id)} is not a subject id`);
  const space = spaceOf(which, settings);
  await orCliError(
    async () => {
      const store = await connectedRedis(settings.redisUrl ?? '');
      try {
        const name = { space, type: which.type, id: subject };
        await work(store, subjectPseudonym(pseudonymizer(settings.privacyKey), name), subject);
      } finally {
        await store.close();
      }
    },
    (error) => error instanceof StoreError || error instanceof RedisUrlError,
  );
}

function spaceOf({ space }: WhichSubject, { stepUpIssuers }: Settings): string {
  const issuers = [...new Set(stepUpIssuers.map(({ subjects }) => subjects))];
  const spaces = issuers.length === 0 ? [DEFAULT_SPACE] : issuers;
  const found = space === undefined ? impliedSpace(spaces) : space;
  if (found !== null && spaces.includes(found)) return found;
  const named =
    space === undefined ? 'name the subject space of this id' : `${JSON.stringify(space)} is not a subject space`;
  throw new CliError(`${named}: --space takes ${spaces.join(', ')}, the \`subjects\` of STEP_UP_ISSUERS`);
}
