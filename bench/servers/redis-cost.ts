import type { RedisServer } from '../../test/support/servers/redis.ts';

/** What Redis servers have done for the scripts of the store so far. */
export interface RedisWork {
  readonly calls: number;
  /** Time inside commands, in µs. */
  readonly commandUs: number;
  /** Processor time of the servers, network included, in µs. */
  readonly processorUs: number;
}

/** Sums up over servers. A script's own calls (`GET` and `SET` inside Lua) are in the time of the script already. */
export async function redisWork(servers: readonly RedisServer[]): Promise<RedisWork> {
  let work: RedisWork = { calls: 0, commandUs: 0, processorUs: 0 };
  for (const { admin } of servers) {
    const stats = await admin.info('commandstats');
    for (const [, name = '', calls, us] of stats.matchAll(/cmdstat_(\w+):calls=(\d+),usec=(\d+)/g)) {
      if (name !== 'evalsha') continue;
      work = { ...work, calls: work.calls + Number(calls), commandUs: work.commandUs + Number(us) };
    }
    const cpu = await admin.info('cpu');
    const seconds = [...cpu.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)].reduce((sum, [, s]) => sum + Number(s), 0);
    work = { ...work, processorUs: work.processorUs + seconds * 1e6 };
  }
  return work;
}

/** Bytes that the keys of a pattern occupy on average, names and bookkeeping of Redis included; over at most 1,000 of them. */
export async function bytesPerKey({ admin }: RedisServer, pattern: string): Promise<number> {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [next, found] = await admin.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
    keys.push(...found);
    cursor = next;
  } while (cursor !== '0' && keys.length < 1000);
  const sizes = await Promise.all(
    keys.slice(0, 1000).map(async (key) => Number(await admin.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'))),
  );
  return sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}

/** Keys, and those of them that never expire. */
export async function keysOf({
  admin,
}: RedisServer): Promise<{ readonly keys: number; readonly withoutExpiry: number }> {
  const [, keys = '0', expires = '0'] = /keys=(\d+),expires=(\d+)/.exec(await admin.info('keyspace')) ?? [];
  return { keys: Number(keys), withoutExpiry: Number(keys) - Number(expires) };
}
