import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestHarness, type TestHarness } from 'wrangler';
import { listConfigSchema } from '../../../src/data/lists/lists.ts';
import { buildLists, publishLists } from '../../../src/data/lists/lists-file.ts';
import type { Located } from '../../../src/model/geo.ts';
import { bundledShards, randomAddresses, saidOf, smallBuild } from '../../support/geo/built.ts';
import { libraryGeo } from '../../support/geo/library.ts';

/** The readers alone, in workerd, over these assets. */
async function probe(assets: string): Promise<{ url: string; harness: TestHarness }> {
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false';
  const root = resolve(import.meta.dirname, '../../..');
  const harness = createTestHarness({
    root,
    workers: [
      {
        config: {
          name: 'data-probe',
          main: join(import.meta.dirname, '../../support/workerd/data-probe.ts'),
          compatibility_date: '2026-11-01',
          compatibility_flags: ['nodejs_compat'],
          assets: { directory: assets, binding: 'ASSETS', run_worker_first: true },
        },
      },
    ],
  });
  const { url } = await harness.listen();
  return { url: url.origin, harness };
}

const ask = async (url: string, texts: readonly string[], signal?: AbortSignal) => {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(texts), ...(signal && { signal }) });
  expect(response.status, url).toBe(200);
  return response.json();
};

describe('the bundled geo data in workerd', () => {
  let url: string;
  let harness: TestHarness;
  beforeAll(async () => {
    ({ url, harness } = await probe(resolve(await bundledShards(), '..')));
  }, 300_000);
  afterAll(() => harness.close());

  test('The bundled geo data in workerd answers for 100,000 random addresses of each family as geoip-lite does, in no more than 16 MiB of the isolate', async () => {
    const source = libraryGeo();
    // In their order, so that each shard is read once and not anew for every address.
    const addresses = randomAddresses(200_000, 8).sort((a, b) =>
      a.version === b.version ? (a.words[0] ?? 0) - (b.words[0] ?? 0) : a.version - b.version,
    );
    const different: unknown[] = [];
    let known = 0;
    let most = 0;
    for (let from = 0; from < addresses.length; from += 5_000) {
      const batch = addresses.slice(from, from + 5_000);
      const { places, bytes } = await ask(
        `${url}/`,
        batch.map(({ text }) => text),
      );
      most = Math.max(most, bytes);
      batch.forEach((address, index) => {
        const said = source.locate(address);
        if (said.known) known++;
        const found: Located = places[index];
        const same =
          JSON.stringify(Object.entries(saidOf(found) ?? {}).sort()) ===
          JSON.stringify(Object.entries(saidOf(said) ?? {}).sort());
        if (!same) different.push({ address: address.text, found, said });
      });
    }
    expect(different.slice(0, 3)).toEqual([]);
    expect(known).toBeGreaterThan(160_000);
    expect(most).toBeLessThanOrEqual(16 * 2 ** 20);
    expect(most).toBeGreaterThan(8 * 2 ** 20);
  }, 300_000);
});

describe('requests that read at the same time', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stepgate-assets-'));
    await mkdir(join(dir, 'assets/geo'), { recursive: true });
    for (const [name, bytes] of smallBuild().files) await writeFile(join(dir, 'assets/geo', name), bytes);
    const config = listConfigSchema.parse({ name: 'exits', category: 'tor', format: 'text', source: 'exits.txt' });
    const input = { config, text: '8.8.8.8\n', updatedAtMs: Date.now(), etag: null, lastModified: null };
    await buildLists([input], { dir: join(dir, 'ip') });
    await publishLists(join(dir, 'ip'), join(dir, 'assets/ip'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const cold = async (use: (url: string, harness: TestHarness) => Promise<void>): Promise<void> => {
    const { url, harness } = await probe(join(dir, 'assets'));
    try {
      await use(url, harness);
    } finally {
      await harness.close();
    }
  };
  const TOR = { categories: ['tor'], lists: ['exits'], asn: null };
  const town = (index: number) => ({ places: [{ known: true, place: { city: `Town ${index}` } }] });

  /** @see https://github.com/Laarryy/Anti-VPN/issues/47 */
  test(
    'All get their answer, 200 of them on an isolate that has read nothing yet',
    () =>
      cold(async (url, harness) => {
        const answers = await Promise.all(
          Array.from({ length: 200 }, (_, i) =>
            i % 2
              ? ask(`${url}/standing?slow_ms=20`, ['8.8.8.8'])
              : ask(`${url}/?slow_ms=20`, [`${1 + (i % 30)}.1.0.1`]),
          ),
        );
        for (const [i, answer] of answers.entries()) {
          if (i % 2) expect(answer).toEqual(TOR);
          else expect(answer).toMatchObject(town((i % 30) * 256 + 1));
        }
        expect(harness.getLogs().filter(({ level }) => level === 'error')).toEqual([]);
      }),
    120_000,
  );

  test(
    'Requests that read at the same time do not hang on what one has begun whose client went away',
    () =>
      cold(async (url, harness) => {
        const gone = new AbortController();
        const left = Promise.allSettled([
          ask(`${url}/standing?slow_ms=300`, ['8.8.8.8'], gone.signal),
          ask(`${url}/?slow_ms=300`, ['1.2.0.1'], gone.signal),
        ]);
        await new Promise((resolve) => setTimeout(resolve, 100));
        const waiting = Promise.all([ask(`${url}/standing`, ['8.8.8.8']), ask(`${url}/`, ['1.2.0.1'])]);
        gone.abort();
        expect((await left).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
        const [standing, place] = await waiting;
        expect(standing).toEqual(TOR);
        expect(place).toMatchObject(town(2));
        expect(harness.getLogs().filter(({ level }) => level === 'error')).toEqual([]);
      }),
    120_000,
  );

  test(
    'Requests that read at the same time that were too slow for one are there for the next',
    () =>
      cold(async (url) => {
        const first = await ask(`${url}/?slow_ms=200&timeout_ms=50`, ['1.2.0.1']);
        expect(first.places).toEqual([{ known: false, why: 'source_unavailable' }]);
        await expect
          .poll(() => ask(`${url}/?slow_ms=5000&timeout_ms=50`, ['1.2.0.1']), { timeout: 20_000 })
          .toMatchObject(town(2));
      }),
    120_000,
  );
});
