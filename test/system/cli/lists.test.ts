import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stepgate } from '../../support/cli.ts';

let dir: string;
let servers: Server[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-lists-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) server.close();
  await rm(dir, { recursive: true, force: true });
});

/** A feed of one address that answers 304 to whoever has it. */
async function feed(): Promise<string> {
  const server = createServer((request, response) => {
    if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end();
    else response.writeHead(200, { ETag: '"v1"' }).end('185.220.101.1\n');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/exits`;
}

test('stepgate lists build compiles a file, status shows it, explain judges by it', async () => {
  const file = join(dir, 'office.txt');
  await writeFile(file, '# our own\n81.2.69.160/32\n10.0.0.0/8\n');
  const lists = join(dir, 'ip');
  const built = await stepgate(['lists', 'build', `office=allow:${file}`, '--dir', lists, '--json']);
  expect(JSON.parse(built.stdout)).toEqual([
    expect.objectContaining({ name: 'office', outcome: 'built', entries: 1, notPublic: 1 }),
  ]);
  expect(built.code).toBe(0);

  const status = await stepgate(['lists', 'status', '--dir', lists]);
  expect(status.stdout).toMatch(/^office +allow +1 +0\.0 d +30 d +in force /m);
  expect(status.code).toBe(0);

  const input = '{"subject":"ann","action":"login","ip":"81.2.69.160"}';
  const explained = await stepgate(['explain', '-', '--json'], { input, env: { IP_LISTS_DIR: lists } });
  expect(JSON.parse(explained.stdout).answer.signals.ip).toMatchObject({
    state: 'measured',
    facts: { 'ip.categories': ['allow'], 'ip.lists': ['office'] },
  });
});

test('stepgate lists update fetches configured feeds, and finds nothing newer the second time', async () => {
  const lists = join(dir, 'ip');
  await mkdir(lists);
  const source = await feed();
  await writeFile(
    join(lists, 'feeds.json'),
    JSON.stringify({
      version: 1,
      defaults: false,
      lists: [{ name: 'exits', category: 'tor', format: 'text', source }],
    }),
  );
  const first = await stepgate(['lists', 'update', '--dir', lists]);
  expect(first.stdout).toMatch(/^exits +built +1 /m);
  expect(first.stderr).toContain('1/1 exits');
  const second = await stepgate(['lists', 'update', '--dir', lists]);
  expect(second.stdout).toMatch(/^exits +unchanged +1 /m);
  expect([first.code, second.code]).toEqual([0, 0]);
});

test('A feed that redirects to another host is refused, nobody there is asked, and the old version stays', async () => {
  const lists = join(dir, 'ip');
  await mkdir(lists);
  let moved: string | null = null;
  const asked: string[] = [];
  const listen = async (name: string, answer: RequestListener): Promise<string> => {
    const server = createServer(answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://${name}:${(server.address() as AddressInfo).port}`;
  };
  const inside = await listen('127.0.0.1', (request, response) => {
    asked.push(request.url ?? '');
    response.end('185.220.101.9\n');
  });
  const source = await listen('localhost', (_request, response) => {
    if (moved === null) response.end('185.220.101.1\n');
    else response.writeHead(302, { location: moved }).end();
  });
  await writeFile(
    join(lists, 'feeds.json'),
    JSON.stringify({
      version: 1,
      defaults: false,
      lists: [{ name: 'exits', category: 'tor', format: 'text', source }],
    }),
  );
  expect((await stepgate(['lists', 'update', '--dir', lists])).stdout).toMatch(/^exits +built +1 /m);
  moved = `${inside}/latest/meta-data/`;
  const { code, stdout } = await stepgate(['lists', 'update', '--dir', lists]);
  expect(stdout).toMatch(/^exits +refused +1 .*redirect to another host/m);
  expect([code, asked]).toEqual([1, []]);
});

test('A feed that cannot be had is named, exits with 1 and leaves the old version in force', async () => {
  const lists = join(dir, 'ip');
  await mkdir(lists);
  const config = (source: string) =>
    writeFile(
      join(lists, 'feeds.json'),
      JSON.stringify({
        version: 1,
        defaults: false,
        lists: [{ name: 'exits', category: 'tor', format: 'text', source }],
      }),
    );
  const source = await feed();
  await config(source);
  await stepgate(['lists', 'update', '--dir', lists]);
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  const { code, stdout } = await stepgate(['lists', 'update', '--dir', lists]);
  expect(stdout).toMatch(/^exits +unavailable +1 .*feed_unreachable/m);
  expect(code).toBe(1);
});

test('A list that is not named as it should be is refused with the form', async () => {
  const { code, stderr } = await stepgate(['lists', 'build', 'office.txt', '--dir', dir]);
  expect(stderr).toBe('"office.txt" is not name=category:file, as in office=allow:office.txt\n');
  expect(code).toBe(2);
});
