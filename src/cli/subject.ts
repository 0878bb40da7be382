import type { Command } from 'commander';
import { storedOf } from '../http/subjects.ts';
import { pseudonymizer } from '../store/pseudonym.ts';
import { RedisUrlError } from '../store/redis-url.ts';
import { type Pseudonym, type Store, StoreError } from '../store/store.ts';
import { normaliseSubject } from '../subject.ts';
import { CliError, orCliError } from './fault.ts';
import { demand, localSettings } from './local-settings.ts';
import { JSON_FLAG } from './options.ts';
import { print } from './output.ts';
import { connectedRedis } from './redis.ts';

/** `subject show` and `subject erase`. */
export function addSubject(program: Command): void {
  const subject = program
    .command('subject')
    .description('what the store of REDIS_URL holds about one subject (needs PRIVACY_KEY)');
  subject.command('show').argument('<id>').description('print baseline and counters as JSON').action(show);
  subject
    .command('erase')
    .argument('<id>')
    .description('erase all that is stored about the subject')
    .option(...JSON_FLAG)
    .action(erase);
}

async function show(id: string): Promise<void> {
  const nowMs = Date.now();
  await withSubject(id, async (store, key, subject) => {
    const slot = await store.readSubject(key, nowMs);
    if (slot === null) {
      process.stderr.write('nothing is stored about this subject\n');
      process.exitCode = 1;
    } else print(true, storedOf(subject, slot, Math.floor(nowMs / 1000)), () => '');
  });
}

async function erase(id: string, { json }: { readonly json: boolean }): Promise<void> {
  await withSubject(id, async (store, key) => {
    await store.forgetSubject(key);
    print(json, { erased: true }, () => 'nothing is stored about this subject any more');
  });
}

async function withSubject(
  id: string,
  work: (store: Store, key: Pseudonym, subject: string) => Promise<void>,
): Promise<void> {
  const settings = await localSettings();
  demand(settings, ['REDIS_URL', 'PRIVACY_KEY']);
  const subject = normaliseSubject(id);
  if (subject === null) throw new CliError(`${JSON.stringify(id)} is no subject id`);
  await orCliError(
    async () => {
      const store = await connectedRedis(settings.redisUrl ?? '');
      try {
        await work(store, pseudonymizer(settings.privacyKey)('subject', subject), subject);
      } finally {
        await store.close();
      }
    },
    (error) => error instanceof StoreError || error instanceof RedisUrlError,
  );
}
