/**
 * What one check costs Redis as the store grows: with 1, 1,000 and 1,000,000 subjects, and with 1 to 1,000 sightings of one
 * subject, each in a place, network, session and on a device of its own. Times are those inside Redis, per check.
 * Run: `npm run bench -- growth`
 */
import { learnSighting } from '../src/model/baseline.ts';
import { NOTHING_SEEN } from '../src/store/counters.ts';
import { baselineKey, subjectCountersKey } from '../src/store/keys.ts';
import { redisStore } from '../src/store/redis/redis.ts';
import type { Attempt } from '../src/store/store.ts';
import { startRedis } from '../test/support/servers/redis.ts';
import { bar } from './bar.ts';
import { redisWork } from './servers/redis-cost.ts';

const SUBJECTS = [1, 1_000, 1_000_000];
const SIGHTINGS = [1, 10, 100, 1_000];
const ATTEMPTS = 4000;
const ROUNDS = 5;
const BATCH = 5000;
const DAY_MS = 86_400_000;
const BARS = { subjects: 1.5, sightings: 1.25 };

const redis = await startRedis();
const store = redisStore({ url: redis.url, timeoutMs: 60_000 });
await store.ping();
const nowS = Math.floor(Date.now() / 1000);
const subject = (n: number): string => `${n}`.padStart(22, 's');

/** Time inside Redis of one attempt on each of these subjects, in µs: the median of several rounds. */
async function attemptUs(pick: (i: number) => string): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await redisWork([redis]);
    for (let i = 0; i < ATTEMPTS; i += 1) await store.recordAttempt(attemptOf(pick(i)));
    const after = await redisWork([redis]);
    rounds.push((after.commandUs - before.commandUs) / ATTEMPTS);
  }
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
}

/** A dry run: the records stay as large as they were made. */
function attemptOf(key: string): Attempt {
  return {
    atMs: nowS * 1000,
    write: false,
    keys: { subject: key, address: null, network: null, device: null },
    seen: { ...NOTHING_SEEN, address: 'a'.repeat(16), country: 'NL' },
  };
}

/** One more confirmed sighting of the subject, unlike all others. */
async function sight(key: string, n: number): Promise<void> {
  await store.recordAttempt({
    ...attemptOf(key),
    write: true,
    seen: { ...NOTHING_SEEN, address: `${n}`.padStart(16, 'a'), country: 'NL' },
  });
  await store.updateBaseline(key, (before) =>
    learnSighting(before, {
      at: nowS - 1000 + n,
      place: { lat: (n % 120) - 60, lon: (n * 7) % 170, accuracyKm: 10, country: 'NL', city: `City ${n}` },
      country: String.fromCharCode(65 + (n % 26), 65 + ((n >> 3) % 26)),
      network: `${n}`.padStart(12, 'n'),
      address: `${n}`.padStart(16, 'a'),
      session: { key: `${n}`.padStart(12, 'z'), network: `${n}`.padStart(12, 'n'), country: 'NL' },
      device: {
        id: `d-${n}`.padEnd(14, 'd'),
        proven: false,
        fingerprint: `${n}`.padStart(12, 'f'),
        components: { aaaa: 'bbbb' },
        client: 'chrome/windows',
      },
    }),
  );
}

await sight(subject(0), 0);
const [tally, baseline] = await Promise.all([
  redis.admin.get(subjectCountersKey(subject(0))),
  redis.admin.get(baselineKey(subject(0))),
]);
if (tally === null || baseline === null) throw new Error('nothing was stored');
const bySubjects: number[] = [];
let loaded = 1;
for (const count of SUBJECTS) {
  while (loaded < count) {
    const pipeline = redis.admin.pipeline();
    for (const end = Math.min(loaded + BATCH, count); loaded < end; loaded += 1) {
      pipeline.set(subjectCountersKey(subject(loaded)), tally, 'PX', DAY_MS);
      pipeline.set(baselineKey(subject(loaded)), baseline, 'PX', 90 * DAY_MS);
    }
    await pipeline.exec();
  }
  // A stride that meets the subjects in no order of their making.
  const us = await attemptUs((i) => subject((i * 7919) % count));
  bySubjects.push(us);
  console.log(`${count.toLocaleString('en')} subjects: ${us.toFixed(1)} µs in Redis for one check`);
}
const memory = /used_memory_dataset:(\d+)/.exec(await redis.admin.info('memory'))?.[1];
console.log(
  `${(Number(memory) / loaded).toFixed(0)} bytes for each of ${loaded.toLocaleString('en')} subjects, all that Redis holds`,
);
await redis.admin.flushall();

const bySightings: number[] = [];
let seen = 0;
for (const count of SIGHTINGS) {
  for (; seen < count; seen += 1) await sight('one', seen);
  const us = await attemptUs(() => 'one');
  bySightings.push(us);
  const sizes = await Promise.all(
    [subjectCountersKey('one'), baselineKey('one')].map((key) => redis.admin.strlen(key)),
  );
  console.log(
    `${count} sightings: ${us.toFixed(1)} µs in Redis for one check, ${sizes.join(' and ')} bytes of counters and baseline`,
  );
}
await store.close();
await redis.stop();

const [one = Number.NaN, , million = Number.NaN] = bySubjects;
bar(
  'a check with a million subjects, times one with one',
  (million / one).toFixed(2),
  million / one <= BARS.subjects,
  `at most ${BARS.subjects}`,
);
const [, , hundred = Number.NaN, thousand = Number.NaN] = bySightings;
bar(
  'a check after 1,000 sightings, times one after 100',
  (thousand / hundred).toFixed(2),
  thousand / hundred <= BARS.sightings,
  `at most ${BARS.sightings}`,
);
