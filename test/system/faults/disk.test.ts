import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FULL_DISK, LISTED, LISTED_LATER, startDiskStand } from '../../support/faults/disk.ts';
import { metricsOf } from '../../support/servers/metrics.ts';
import { post, type Workshop, workshop } from '../../support/servers/stepgate.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await workshop();
});
afterEach(() => shop.tidy());
afterAll(() => shop.close());

test('A list that finds the disk full is refused with the reason, leaves nothing behind, and the old one goes on', async () => {
  const stand = await startDiskStand();
  shop.onTidy(() => stand.stop());
  const { server } = await shop.start({ IP_LISTS_DIR: stand.dir });
  const categories = async (ip: string) => {
    const { status, text } = await post(`${server.url}/v1/risk-check`, JSON.stringify({ action: 'a', ip }));
    return { status, categories: JSON.parse(text).signals.ip.facts['ip.categories'] };
  };
  const metrics = async () => {
    const told = await metricsOf(server.url);
    const list = { list: 'tor' };
    return { ranges: told('stepgate_list_ranges', list), judged: told('stepgate_list_judged', list) };
  };
  expect(await categories(LISTED)).toEqual({ status: 200, categories: ['tor'] });
  expect(await metrics()).toEqual({ ranges: 1, judged: 1 });

  const { outcome, problem, exitCode } = await FULL_DISK.begin(stand);
  expect({ outcome, code: problem?.code }).toEqual({ outcome: 'refused', code: 'list_io' });
  expect(problem?.message).toContain(stand.error);
  expect(exitCode).not.toBe(0);
  expect((await readdir(stand.dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  await server.reload();
  expect(await categories(LISTED)).toEqual({ status: 200, categories: ['tor'] });
  expect(await metrics()).toEqual({ ranges: 1, judged: 1 });

  // With room again, the new one is taken, and noticed.
  expect(await FULL_DISK.end(stand)).toEqual({ outcome: 'built', problem: null, exitCode: 0 });
  await expect.poll(() => categories(LISTED_LATER), { timeout: 20_000 }).toEqual({ status: 200, categories: ['tor'] });
  expect((await metrics()).ranges).toBe(2);
});
