import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { type DecisionRecord, decisionRecord } from './decision-record.ts';

/** The command of the Stepgate in this repository; elsewhere it is `npx stepgate`, or the container. */
const COMMAND = resolve(import.meta.dirname, '../../../src/cli.ts');
const ERROR = 50;
/** Characters of its output kept for the error message. */
const KEPT = 4000;

/** Stepgate as its own process. */
export interface RunningStepgate {
  readonly url: string;
  stop(): Promise<void>;
}

export interface StepgateOptions {
  /** Its settings; nothing else of the environment is passed on. */
  readonly settings: { readonly [name: string]: string };
  /** Called for each decision record that it writes. */
  readonly onRecord: (record: DecisionRecord) => void;
}

/** Own address lists, built from text files by `stepgate lists build`. */
export async function buildLists(
  dir: string,
  lists: readonly { readonly category: string; readonly text: string }[],
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const configs = lists.map(({ category }) => ({
    name: `demo-${category}`,
    category,
    source: `${category}.txt`,
    format: 'text',
  }));
  await writeFile(join(dir, 'feeds.json'), JSON.stringify({ version: 1, defaults: false, lists: configs }));
  for (const { category, text } of lists) await writeFile(join(dir, `${category}.txt`), text);
  const child = run(['lists', 'build', '--dir', dir], {});
  const [code] = await once(child.process, 'close');
  if (code !== 0) throw new Error(`the lists of the demo were not built: ${child.printed()}`);
}

/**
 * Starts Stepgate and resolves once it listens. Its decision records are the lines of its log that have the type `decision`; errors
 * of the log are passed on to standard error.
 *
 * @throws {Error} when it ends before it listens, with what it printed
 */
export async function startStepgate({ settings, onRecord }: StepgateOptions): Promise<RunningStepgate> {
  const child = run(['serve'], settings);
  const kill = (): void => void child.process.kill();
  process.once('exit', kill);
  const ended = once(child.process, 'close').then(() => undefined);
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.process.stdout }).on('line', (text) => {
    const line = logLine.parse(JSON.parse(text));
    if (line.type === 'decision') onRecord(decisionRecord.parse(line));
    else if (line.msg === 'listening' && line.url !== undefined) listening.resolve(line.url);
    else if (Number(line.level) >= ERROR) process.stderr.write(`${text}\n`);
  });
  const url = await Promise.race([listening.promise, ended]);
  if (url === undefined) throw new Error(`Stepgate did not start: ${child.printed()}`);
  return {
    url,
    async stop() {
      process.off('exit', kill);
      kill();
      await ended;
    },
  };
}

const logLine = z.looseObject({
  level: z.union([z.number(), z.string()]),
  type: z.string().optional(),
  msg: z.string().optional(),
  url: z.string().optional(),
});

function run(args: readonly string[], settings: StepgateOptions['settings']) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed = `${printed}${chunk}`.slice(-KEPT);
    });
  }
  return { process: child satisfies ChildProcess, printed: () => printed };
}
