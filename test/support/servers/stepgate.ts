import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, type Settings } from '../../../src/app/settings.ts';
import { type RunningServer, type StartOptions, startServer } from '../../../src/node.ts';
import { BUNDLED_SHARDS } from '../geo/built.ts';
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

/** Sends a JSON body with the key over Node's own client. */
export function post(
  url: string,
  body: string | undefined,
  options: { agent?: Agent; headers?: Record<string, string> } = {},
) {
  return new Promise<{ status: number; headers: IncomingMessage['headers']; text: string }>((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        agent: options.agent ?? false,
        headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', ...options.headers },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends raw bytes over one connection and gives back all that comes until it closes. */
export function raw(url: string, ...parts: (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Writing on after the server has answered and closed is part of what is tested.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    for (const part of parts) socket.write(part);
  });
}

/** Status of a GET over the connections of an agent. */
export function statusOver(agent: Agent, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
  });
}

/** Lets the server see what was sent to it before: a request of its own comes after it. */
export async function untilBusy(url: string): Promise<void> {
  await fetch(`${url}/healthz`, { headers: { Connection: 'close' } });
}
