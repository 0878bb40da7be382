import { afterEach, beforeAll, expect, test } from 'vitest';
import { KEY, post } from '../../support/servers/stepgate.ts';
import { workerCode } from '../../support/servers/worker.ts';
import { startWorkerd, type Workerd } from '../../support/servers/workerd.ts';

const CLIENT = '81.2.69.160';
const LONDON = { country: 'GB', city: 'London', latitude: '51.50740', longitude: '-0.12780' };
/** In which the runtime takes `request.cf` from a test. */
const CF_HEADER = 'cf-blob';

let code: string;
let worker: Workerd | undefined;

beforeAll(async () => {
  code = await workerCode();
});

afterEach(async () => {
  await worker?.stop();
});

/** The `geo` signal of checks by an isolate with this setting. */
async function places(geoFromCf: string) {
  const vars = { API_KEYS: `tester:${KEY}`, GEO_FROM_CF: geoFromCf, GEO_DATA: 'none' };
  worker = await startWorkerd(code, { vars, cfHeader: CF_HEADER });
  const { url } = worker;
  return async (ip: string, cf: object, headers: Record<string, string> = {}) => {
    const { status, text } = await post(`${url}/v1/risk-check`, JSON.stringify({ action: 'login', ip }), {
      headers: { 'CF-Connecting-IP': CLIENT, [CF_HEADER]: JSON.stringify(cf), ...headers },
    });
    expect(status, text).toBe(200);
    return JSON.parse(text).signals.geo;
  };
}

const UNKNOWN = { state: 'unknown', why: 'source_off' };

test('request.cf is the place of the client where the setting says so', async () => {
  const geoOf = await places('on');
  expect((await geoOf(CLIENT, LONDON)).facts).toMatchObject({
    'geo.city': 'London',
    'geo.country': 'GB',
    'geo.accuracy_km': 50,
    'geo.source': 'cf',
  });
  expect(await geoOf('8.8.8.8', LONDON)).toEqual(UNKNOWN);
  /** @see https://github.com/boywithkeyboard-archive/cheetah1/pull/160 */
  expect(await geoOf(CLIENT, {})).toEqual(UNKNOWN);
  expect(await geoOf(CLIENT, { latitude: '', longitude: '' })).toEqual(UNKNOWN);
  /** @see https://github.com/cloudflare/cloudflare-docs/pull/10293 */
  expect(await geoOf(CLIENT, { country: 'XX' }, { 'CF-Worker': 'gateway.example' })).toEqual(UNKNOWN);
  expect(await geoOf(CLIENT, LONDON, { 'CF-Worker': 'gateway.example' })).toEqual(UNKNOWN);
});

test('request.cf is nothing where the setting is left alone: it describes whoever calls', async () => {
  const geoOf = await places('off');
  expect(await geoOf(CLIENT, LONDON)).toEqual(UNKNOWN);
});
