import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { freePort } from '../../support/servers/listen.ts';
import { type Program, spawnProgram } from '../../support/servers/program.ts';
import { until } from '../../support/until.ts';

/**
 * What the Dockerfile does, by hand: its copies, its commands and its way to run, in folders of this machine. It shows that the
 * files it names are enough where no image can be built; the image itself is tried in `image.container.test.ts`.
 */

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../../..');
const SECRET = 'a-secret-of-the-image-test-that-is-long-enough';
/** Where Node lies in the image. */
const NODE = '/nodejs/bin/node';

const words = z.array(z.string());

/** Instructions of each stage, in order: `['COPY', 'src src']`. */
function stagesOf(dockerfile: string): (readonly [word: string, rest: string])[][] {
  const lines = dockerfile
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  const stages: (readonly [string, string])[][] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (word === 'FROM') stages.push([]);
    else if (word !== '') stages.at(-1)?.push([word, rest]);
  }
  return stages;
}

/** Does a COPY: from the checkout, or from the folder of the stage before. */
async function copied(rest: string, into: string, before: string | null): Promise<void> {
  const parts = rest.split(' ').filter((part) => !part.startsWith('--'));
  const target = parts.pop() ?? '';
  for (const source of parts) {
    const from = rest.includes('--from=') ? join(before ?? '', source.replace(/^\/app\//, '')) : join(ROOT, source);
    const to = join(into, target, /\/$/.test(target) ? basename(source) : '');
    await mkdir(dirname(to), { recursive: true });
    await cp(from, to, { recursive: true });
  }
}

/** Does a RUN, by this Node. The first install is the one of this checkout: the packages that build the client lie there. */
async function ran(command: string, dir: string): Promise<void> {
  const packages = join(dir, 'node_modules');
  if (command.startsWith('npm ci ') && !command.includes('--omit=dev'))
    return symlink(join(ROOT, 'node_modules'), packages);
  if (command.startsWith('npm ci ')) await rm(packages);
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  await run('sh', ['-c', command], { cwd: dir, env: { ...process.env, PATH } });
}

let folder: string;
let app: string;
let environment: Record<string, string>;
let command: string[];
let healthCheck: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stepgate-dockerfile-'));
  const [build = [], last = []] = stagesOf(await readFile(join(ROOT, 'Dockerfile'), 'utf8'));
  const built = join(folder, 'build');
  app = join(folder, 'app');
  for (const [word, rest] of build) {
    if (word === 'COPY') await copied(rest, built, null);
    if (word === 'RUN') await ran(rest, built);
  }
  for (const [word, rest] of last) if (word === 'COPY') await copied(rest, app, built);
  const restOf = (word: string): string => last.find(([one]) => one === word)?.[1] ?? '';
  environment = Object.fromEntries(
    [...restOf('ENV').matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  );
  command = words.parse(JSON.parse(restOf('CMD')));
  healthCheck = words.parse(JSON.parse(restOf('HEALTHCHECK').replace(/^.*? CMD /, '')));
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs what the image would, in its folder and with its environment alone. */
function started(args: readonly string[], more: Record<string, string>): Program {
  return spawnProgram(process.execPath, args, { cwd: app, env: { ...environment, ...more } });
}

describe('what the Dockerfile copies', () => {
  test('What the Dockerfile copies is the program, its rules and the production packages, and nothing else', async () => {
    expect((await readdir(app)).sort()).toEqual([
      ...['LICENSE', 'data', 'dist', 'node_modules', 'package.json', 'rules', 'src'],
    ]);
    const packages = await readdir(join(app, 'node_modules'));
    expect(packages).toEqual(expect.arrayContaining(['hono', 'ioredis', 'jose']));
    for (const development of ['vitest', 'typescript', 'wrangler', 'node', '@biomejs']) {
      expect(packages).not.toContain(development);
    }
  });

  test('What the Dockerfile copies is enough to start, turn healthy, answer a check and serve the client, and to end when it is told to', async () => {
    const port = await freePort();
    const place = { PORT: String(port), HOST: '127.0.0.1' };
    expect(healthCheck[0]).toBe(NODE);
    const health = () => started(healthCheck.slice(1), place).exited;
    expect(await health()).toBe(1);

    const secrets = { API_KEYS: `gateway:${SECRET}`, DEVICE_TOKEN_SECRET: SECRET, PRIVACY_KEY: SECRET };
    const service = started(command, { ...place, ...secrets });
    await until(() => service.output().includes('"listening"'));
    expect(await health()).toBe(0);
    const response = await fetch(`http://127.0.0.1:${port}/v1/risk-check`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${SECRET}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'ann', action: 'login', ip: '89.98.229.250' }),
    });
    expect(await response.json()).toMatchObject({ decision: 'step-up', signals: { geo: { state: 'measured' } } });
    for (const path of ['/client.js', '/client.mjs']) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status, path).toBe(200);
    }

    service.kill('SIGTERM');
    expect(await service.exited, service.output()).toBe(0);
    expect(service.output()).toContain('"stopped"');
    expect(await health()).toBe(1);
  });

  test('What the Dockerfile copies does not start without its secrets, and names them', async () => {
    const service = started(command, { PORT: '0' });
    expect(await service.exited).toBe(2);
    for (const name of ['API_KEYS', 'DEVICE_TOKEN_SECRET', 'PRIVACY_KEY']) expect(service.output()).toContain(name);
  });

  test('What the Dockerfile copies can build address lists, as the tool of compose.yaml does', async () => {
    const [, line = ''] =
      /\n {2}lists:\n(?:.*\n)*? {4}command: \[(.*)\]/.exec(await readFile(join(ROOT, 'compose.yaml'), 'utf8')) ?? [];
    const [script = '', ...args] = line.split(', ');
    expect(args).toEqual(['lists', 'update']);
    const help = started([script, ...args, '--help'], {});
    expect(await help.exited, help.output()).toBe(0);
  });
});
