import { cp, mkdir, mkdtemp, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LiveGeo, type LocalGeoOptions, openLocalGeo } from '../../../../src/data/geo/local-geo.ts';
import { addressOf, type SmallBuild, saidOf, smallBuild } from '../../../support/geo/built.ts';

const NOW = Date.UTC(2026, 10, 25);
const PLACED = addressOf('1.2.3.4');

let dir: string;
const opened: LiveGeo[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stepgate-local-geo-'));
});
afterEach(async () => {
  for (const watch of opened.splice(0)) watch.close();
  await rm(dir, { recursive: true });
});

/** As a build does it: the shards first, the manifest last and in one step. */
async function put({ files }: SmallBuild): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, bytes] of files) {
    await writeFile(join(dir, `${name}.new`), bytes);
    await rename(join(dir, `${name}.new`), join(dir, name));
  }
}

async function open(options: Partial<LocalGeoOptions> = {}): Promise<LiveGeo> {
  const watch = await openLocalGeo({ data: 'country', dir, ...options });
  opened.push(watch);
  return watch;
}

test('What is built answers, at once', async () => {
  await put(smallBuild());
  const { geo } = await open({ data: 'city' });
  expect(geo.locate(PLACED)).toMatchObject({ known: true, place: { city: 'Town 2', source: 'shards' } });
  expect(geo.status(NOW)).toEqual({ name: 'shards of towns', ageDays: 24, problem: null });
});

test('geoip-lite answers until geo data is built', async () => {
  const { geo, reload } = await open();
  expect(geo.locate(addressOf('81.2.69.160'))).toMatchObject({ known: true, place: { source: 'geoip-lite' } });
  await put(smallBuild());
  await reload();
  expect(geo.locate(PLACED)).toMatchObject({ known: true, place: { country: 'GB', city: null, source: 'shards' } });
});

test('GEO_DATA=none looks nothing up, whatever is built', async () => {
  await put(smallBuild());
  const { geo } = await open({ data: 'none' });
  expect(geo.locate(PLACED)).toEqual({ known: false, why: 'source_off' });
});

/** @see https://github.com/leev/ngx_http_geoip2_module/pull/135 */
test('A new build is noticed and taken over whole: no answer of the old one is kept', async () => {
  await put(smallBuild());
  const taken = Promise.withResolvers<void>();
  const { geo } = await open({ intervalMs: 20, onReload: taken.resolve });
  expect(geo.locate(PLACED)).toMatchObject({ place: { country: 'GB' } });
  await put(smallBuild({ country: 'FR' }));
  await taken.promise;
  expect(geo.locate(PLACED)).toMatchObject({ place: { country: 'FR' } });
});

/** @see https://github.com/GitSquared/node-geolite2-redist/issues/5 */
test('A new build that is broken is refused and told of, and the old one goes on until it is mended', async () => {
  await put(smallBuild());
  const { geo, reload, problem } = await open();
  const next = smallBuild({ country: 'FR' });
  await put(next);
  const [first = ''] = [...next.files.keys()];
  await truncate(join(dir, first), 100);
  await reload();
  expect(problem()?.message).toMatch(/holds 100 bytes/);
  expect(geo.status(NOW).problem).toMatch(/^bad_database: .*holds 100 bytes/);
  expect(geo.locate(PLACED)).toMatchObject({ place: { country: 'GB' } });
  await put(next);
  await reload();
  expect(geo.locate(PLACED)).toMatchObject({ place: { country: 'FR' } });
});

/** @see https://github.com/geoip-lite/node-geoip/issues/197 */
test('A build that is broken at start answers bad_database where it is broken, and its other files answer', async () => {
  await put(smallBuild());
  const [first = ''] = (await readdir(dir)).filter((name) => name.startsWith('v4-0000'));
  await truncate(join(dir, first), 100);
  const problems: string[] = [];
  const { geo } = await open({ onProblem: ({ message }) => problems.push(message) });
  expect(problems).toEqual([expect.stringMatching(/v4-0000.*holds 100 bytes/)]);
  expect(geo.locate(PLACED)).toEqual({ known: false, why: 'bad_database' });
  expect(saidOf(geo.locate(addressOf('18.0.0.0')))).toMatchObject({ country: 'GB' });
  expect(geo.status(NOW).problem).toMatch(/^bad_database: v4-0000/);
});

test('Shards of a build that was removed go on in memory', async () => {
  await put(smallBuild());
  const { geo, reload } = await open();
  const away = `${dir}-away`;
  await cp(dir, away, { recursive: true });
  await rm(dir, { recursive: true });
  await reload();
  expect(geo.locate(PLACED)).toMatchObject({ known: true });
  await rename(away, dir);
});
