import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Scenario } from './scenarios.ts';

/** A directory for address lists with little room, which holds one list. */
export interface DiskStand {
  /** For `IP_LISTS_DIR`. */
  readonly dir: string;
  /** Of the error that it ends in when there is no room. */
  readonly error: string;
  /** Builds the list of these addresses as `stepgate lists build` does. */
  build(addresses: readonly string[]): Promise<Built>;
  stop(): Promise<void>;
}

/** What became of a build. */
export interface Built {
  readonly outcome: string;
  readonly problem: { readonly code: string; readonly message: string } | null;
  readonly exitCode: unknown;
}

/** On the list from the beginning. */
export const LISTED = '185.220.101.1';
/** On the list since there is room again. */
export const LISTED_LATER = '45.0.0.1';

const ROOM_KIB = 64;
const outcomesSchema = z.array(
  z.object({ outcome: z.string(), problem: z.object({ code: z.string(), message: z.string() }).nullable() }),
);

/** Where this user may mount nothing, files are held to that size instead (RLIMIT_FSIZE). */
export async function startDiskStand(): Promise<DiskStand> {
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-disk-'));
  const sources = await mkdtemp(join(tmpdir(), 'stepgate-sources-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOM_KIB}k`, 'tmpfs', dir]).status === 0;
  const limit = isMounted ? '' : `ulimit -f ${ROOM_KIB}; `;
  const stand: DiskStand = {
    dir,
    error: isMounted ? 'ENOSPC' : 'EFBIG',
    async build(addresses) {
      const file = join(sources, 'tor.txt');
      await writeFile(file, `${addresses.join('\n')}\n`);
      const command = `${limit}exec "$0" src/cli.ts lists build "tor=tor:$1" --dir "$2" --json`;
      const cwd = join(import.meta.dirname, '../../..');
      const { stdout, exitCode } = await new Promise<{ stdout: string; exitCode: unknown }>((resolve) =>
        execFile('bash', ['-c', command, process.execPath, file, dir], { cwd }, (error, out) =>
          resolve({ stdout: out, exitCode: error === null ? 0 : error.code }),
        ),
      );
      const [built] = outcomesSchema.parse(JSON.parse(stdout));
      if (built === undefined) throw new Error(`lists build told of no list: ${stdout}`);
      return { ...built, exitCode };
    },
    async stop() {
      if (isMounted) spawnSync('umount', [dir]);
      for (const folder of [dir, sources]) await rm(folder, { recursive: true, force: true });
    },
  };
  await stand.build([LISTED]);
  return stand;
}

/** More than there is room for. */
const MANY = Array.from({ length: 60_000 }, (_, i) => `45.${(i >> 12) & 255}.${(i >> 4) & 255}.${(i & 15) * 16}`);

/** Reads on after "the disk of the lists ". `begin` answers with what became of the list that found no room. */
export const FULL_DISK = {
  name: 'is full',
  begin: ({ build }: DiskStand) => build(MANY),
  end: ({ build }: DiskStand) => build([LISTED, LISTED_LATER]),
} satisfies Scenario<DiskStand>;
