import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { post, type Workshop, workshop } from '../servers/stepgate.ts';

const ROOM_KIB = 64;
const TOR_EXIT = '185.220.101.1';

let shop: Workshop;
let sources: string;
beforeAll(async () => {
  shop = await workshop();
  sources = await mkdtemp(join(tmpdir(), 'stepgate-sources-'));
});
afterEach(() => shop.tidy());
afterAll(async () => {
  await shop.close();
  await rm(sources, { recursive: true, force: true });
});

/** A folder with little room. Where this user may mount nothing, files are held to that size instead (RLIMIT_FSIZE). */
async function smallDisk(): Promise<{ dir: string; limit: string; error: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-disk-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOM_KIB}k`, 'tmpfs', dir]).status === 0;
  shop.onTidy(async () => {
    if (isMounted) spawnSync('umount', [dir]);
    await rm(dir, { recursive: true, force: true });
  });
  return isMounted ? { dir, limit: '', error: 'ENOSPC' } : { dir, limit: `ulimit -f ${ROOM_KIB}; `, error: 'EFBIG' };
}

const outcomesSchema = z.array(
  z.object({ outcome: z.string(), problem: z.object({ code: z.string(), message: z.string() }).nullable() }),
);

async function build(limit: string, dir: string, file: string) {
  const command = `${limit}exec "$0" src/cli.ts lists build "tor=tor:$1" --dir "$2" --json`;
  const { stdout, code } = await new Promise<{ stdout: string; code: unknown }>((resolve) =>
    execFile('bash', ['-c', command, process.execPath, file, dir], (error, out) =>
      resolve({ stdout: out, code: error === null ? 0 : error.code }),
    ),
  );
  const [outcome] = outcomesSchema.parse(JSON.parse(stdout));
  return { outcome, code };
}

test('a list that finds the disk full is refused with the reason, leaves nothing behind, and the old one goes on', async () => {
  const { dir, limit, error } = await smallDisk();
  const before = join(sources, 'before.txt');
  await writeFile(before, `${TOR_EXIT}\n`);
  expect((await build(limit, dir, before)).outcome).toEqual({ outcome: 'built', problem: null });
  const { server } = await shop.start({ IP_LISTS_DIR: dir });
  const categories = async () => {
    const { status, text } = await post(`${server.url}/v1/risk-check`, `{"action":"a","ip":"${TOR_EXIT}"}`);
    return { status, categories: JSON.parse(text).signals.ip.facts['ip.categories'] };
  };
  expect(await categories()).toEqual({ status: 200, categories: ['tor'] });

  const large = join(sources, 'large.txt');
  await writeFile(
    large,
    Array.from({ length: 60_000 }, (_, i) => `45.${(i >> 12) & 255}.${(i >> 4) & 255}.${(i & 15) * 16}`).join('\n'),
  );
  const { outcome, code } = await build(limit, dir, large);
  expect(outcome).toMatchObject({ outcome: 'refused', problem: { code: 'list_io' } });
  expect(outcome?.problem?.message).toContain(error);
  expect(code).not.toBe(0);
  expect((await readdir(dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  await server.reload();
  expect(await categories()).toEqual({ status: 200, categories: ['tor'] });

  // With room again, the new one is taken.
  await rm(large);
  await writeFile(before, `${TOR_EXIT}\n45.0.0.1\n`);
  expect((await build(limit, dir, before)).outcome).toEqual({ outcome: 'built', problem: null });
});
