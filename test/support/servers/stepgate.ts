import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, type Settings } from '../../../src/app/settings.ts';
import { type RunningServer, type StartOptions, startServer } from '../../../src/node.ts';
import { BUNDLED_SHARDS } from '../geo/built.ts';
import { type Reply, send } from './http.ts';
import { keysWith } from './keys.ts';

/** The API key of every server that a {@link workshop} starts. */
export const KEY = 'a-key-of-the-node-test';

/** One rule: the subject `root` is denied. */
export const RULES = {
  version: 1,
  actions: { a: {}, login: {}, 'report.view': {} },
  rules: [{ id: 'no-root', when: { 'subject.id': 'root' }, then: { decision: 'deny', reason: 'root_refused' } }],
};

/** A new folder below `dir` with the shipped rules, and with `report.view` and `order.view`: actions that an allowed request teaches. */
export async function shippedRules(dir: string): Promise<string> {
  const folder = await mkdtemp(join(dir, 'shipped-'));
  const pages = { version: 1, actions: { 'report.view': {}, 'order.view': {} }, rules: [] };
  await copyFile(join(import.meta.dirname, '../../../rules/default.json'), join(folder, 'default.json'));
  await writeFile(join(folder, 'pages.json'), JSON.stringify(pages));
  return folder;
}

/** A folder with rules, and the servers that were started on it. */
export interface Workshop {
  readonly dir: string;
  environment(more?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
  settings(more?: NodeJS.ProcessEnv): Settings;
  /** Starts a server in this process; `lines` is what it logs. */
  start(more?: NodeJS.ProcessEnv, options?: StartOptions): Promise<{ server: RunningServer; lines: string[] }>;
  /** Runs at the next `tidy`, last first. */
  onTidy(cleanup: () => unknown): void;
  tidy(): Promise<void>;
  close(): Promise<void>;
}

/** A new folder with {@link RULES} in it. */
export async function workshop(): Promise<Workshop> {
  const dir = await mkdtemp(join(tmpdir(), 'stepgate-node-'));
  await writeFile(join(dir, 'default.json'), JSON.stringify(RULES));
  const cleanups: (() => unknown)[] = [];
  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    PORT: '0',
    API_KEYS: keysWith('tester', KEY),
    RULES_DIR: dir,
    IP_LISTS_DIR: join(dir, 'no-lists'),
    // Compiling the library's data takes each server seconds; the system suites have it compiled once.
    GEO_DIR: BUNDLED_SHARDS,
    ...more,
  });
  const settings = (more?: NodeJS.ProcessEnv): Settings => loadSettings(environment(more), () => 'x'.repeat(48));
  const tidy = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  return {
    dir,
    environment,
    settings,
    start: async (more, options) => {
      const lines: string[] = [];
      const output = { write: (line: string) => lines.push(line) };
      // What tests leave idle brings nothing more.
      const server = await startServer(settings(more), { output, lingerMs: 0, ...options });
      cleanups.push(() => server.stop());
      return { server, lines };
    },
    onTidy: (cleanup) => cleanups.push(cleanup),
    tidy,
    close: async () => {
      await tidy();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Posts a JSON body with the key. */
export function post(
  url: string,
  body: string | undefined,
  { agent, headers = {} }: { readonly agent?: Agent; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Reply> {
  const own = { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' };
  return send(url, { method: 'POST', body, headers: { ...own, ...headers }, ...(agent !== undefined && { agent }) });
}

/** Lets the server see what was sent to it before: a request of its own comes after it. */
export async function untilBusy(url: string): Promise<void> {
  await fetch(`${url}/healthz`, { headers: { Connection: 'close' } });
}
