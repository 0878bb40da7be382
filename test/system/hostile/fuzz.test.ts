import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzzer } from '../../support/hostile/fuzz.ts';
import { hostileEnvironment } from '../../support/hostile/stage.ts';
import { failuresIn, leaksIn } from '../../support/hostile/verdict.ts';
import { type Workshop, workshop } from '../../support/servers/stepgate.ts';

/** Another one is another attack; `npm run fuzz` tries many. */
const SEED = 20_261_125;

let shop: Workshop;
beforeAll(async () => {
  shop = await workshop();
});
afterAll(() => shop.close());

test('The service answers whatever is sent with no 5xx, no allow that nobody asked for, a problem document, no secret, the prototype untouched', async () => {
  const names = Object.getOwnPropertyNames(Object.prototype);
  const { server, lines } = await shop.start(await hostileEnvironment(shop.dir));
  const { sent, answers, findings } = await (await fuzzer(server.url)).round(SEED, 1500);
  const told = findings.map(({ request, faults }) => ({
    faults,
    bytes: request.bytes.toString('latin1').slice(0, 2000),
  }));
  expect(told).toEqual([]);
  expect(sent).toBe(1500);
  // The attack got everywhere: checks that were judged, bodies that were refused, gateways that were answered.
  for (const name of [
    'schema 200',
    'schema 400',
    'bytes 400',
    'gateway 200',
    'gateway 403',
    'envoy 403',
    'shape 400',
  ]) {
    expect(answers.get(name) ?? 0, `${name} of ${[...answers].join(', ')}`).toBeGreaterThan(0);
  }
  expect(leaksIn(lines.map((line) => line.trim()))).toEqual([]);
  expect(failuresIn(lines)).toEqual([]);
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(names);
  expect({}).not.toHaveProperty('polluted');
}, 120_000);
