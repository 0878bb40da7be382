import { hashComponents } from '@fingerprintjs/fingerprintjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KEY, post, type Workshop, workshop } from '../../support/servers/stepgate.ts';

const AMSTERDAM = '89.98.229.250';
const SAO_PAULO = '201.27.183.128';
const HOME = '81.2.69.160';
const CAFE = '86.1.2.3';

const GENUINE = '7d793037a0760186574b0282f2f435e7';
const COMPONENTS = { audio: 'a1a1', canvas: 'b2b2', fonts: 'c3c3', screen: 'd4d4', webgl: 'e5e5' };

let shop: Workshop;
let url: string;

beforeAll(async () => {
  shop = await workshop();
  const { server } = await shop.start({ RULES_DIR: 'rules', TRUSTED_PROXIES: '127.0.0.0/8' });
  url = server.url;
});
afterAll(() => shop.close());

async function told(path: string, body: object, expected: number) {
  const { status, text } = await post(`${url}${path}`, JSON.stringify(body));
  expect(status, text).toBe(expected);
  return JSON.parse(text);
}
const checked = (body: object) => told('/v1/risk-check', { ip: HOME, ...body }, 200);
const happened = (body: object) => told('/v1/events', { ip: HOME, ...body }, 202);

async function devicesOf(subject: string): Promise<readonly object[]> {
  const answer = await fetch(`${url}/v1/subjects/${subject}/devices`, { headers: { Authorization: `Bearer ${KEY}` } });
  return answer.status === 404 ? [] : (await answer.json()).devices;
}

/** The token of a device that this subject has just made trusted. */
async function trusted(subject: string, device: object): Promise<string> {
  const answer = await happened({ type: 'login.succeeded', subject, device, trust_device: true });
  return answer.device.token;
}

describe('the placeholder of a blocked collector', () => {
  /** @see https://github.com/fingerprintjs/fingerprintjs/issues/781 */
  test.each(['undefined', 'null', '[object Object]', '0'.repeat(32), '', 'd41d8cd98f00b204e9800998ecf8427e'])(
    'The placeholder of a blocked collector enrols no device, earns no token, and makes nobody known by it: %j',
    async (fingerprint) => {
      const subject = `v-${Buffer.from(fingerprint).toString('hex')}`;
      const event = {
        type: 'login.succeeded',
        subject,
        ip: AMSTERDAM,
        device: { fingerprint, components: COMPONENTS },
      };
      expect(await happened({ ...event, trust_device: true })).toEqual({});
      await happened(event);
      expect(await devicesOf(subject)).toEqual([]);
      const { signals, reasons } = await checked({ action: 'login', subject, ip: SAO_PAULO, device: { fingerprint } });
      expect(signals.device).toMatchObject({ state: 'unknown', why: 'malformed_claim' });
      expect(signals.device.facts).toMatchObject({ 'device.state': 'absent', 'device.trusted': false });
      expect(signals.device.facts['device.subjects_24h']).toBeUndefined();
      expect(reasons.map(({ code }: { code: string }) => code)).toContain('no_device');
    },
  );

  test('The placeholder of a blocked collector is none in the header and in the context of AuthZEN either', async () => {
    const headers = { 'X-Stepgate-Device': 'v=1;fp=undefined;c.canvas=a1b2' };
    const told = await checked({ action: 'login', subject: 'w', headers });
    expect(told.signals.device).toMatchObject({ state: 'unknown', why: 'malformed_claim' });
    const { text } = await post(
      `${url}/access/v1/evaluation`,
      JSON.stringify({
        subject: { type: 'user', id: 'w' },
        action: { name: 'login' },
        resource: { type: 'page', id: '1' },
        context: { ip: HOME, device: { fingerprint: 'NaN' } },
      }),
    );
    expect(JSON.parse(text).context.stepgate.signals.device).toEqual({ state: 'unknown', why: 'malformed_claim' });
  });

  test('The placeholder of a blocked collector takes nothing from a genuine token beside it, which still names its device', async () => {
    const token = await trusted('x', { fingerprint: GENUINE, components: COMPONENTS });
    const { signals, device } = await checked({
      action: 'login',
      subject: 'x',
      device: { fingerprint: 'undefined', token },
    });
    expect(signals.device.facts).toMatchObject({ 'device.state': 'unconfirmed', 'device.subjects_24h': 1 });
    expect(await devicesOf('x')).toMatchObject([{ id: device.id, trusted: true }]);
    const { token: renewed } = (
      await happened({ type: 'step_up.succeeded', subject: 'w2', trust_device: true, device: { token } })
    ).device;
    const alone = await checked({ action: 'login', subject: 'w2', device: { fingerprint: 'null', token: renewed } });
    expect(alone.signals.device.facts).toMatchObject({ 'device.state': 'trusted' });
  });
});

describe('a device token', () => {
  const pays = (subject: string, device: object) =>
    checked({ action: 'payment.transfer', subject, device, session: 's', context: { amount: 10 } });

  test('A device token copied without the traits on record, or with fewer of them, is unconfirmed, and a payment is asked for', async () => {
    const full = { fingerprint: GENUINE, components: COMPONENTS };
    const token = await trusted('alice', full);
    expect(await pays('alice', { ...full, token })).toMatchObject({ decision: 'allow', score: 0 });
    const { canvas, ...four } = COMPONENTS;
    const shown = [
      {},
      { bot: false, confidence: 0.6 },
      { fingerprint: 'undefined' },
      { fingerprint: GENUINE },
      { components: COMPONENTS },
      { components: { canvas } },
      { fingerprint: GENUINE, components: { canvas } },
      { fingerprint: GENUINE, components: four },
      { fingerprint: GENUINE, components: { ...four, canvas: 'skipped' } },
      { fingerprint: '4a8a08f09d37b73795649038408b5f33' },
      { fingerprint: '4a8a08f09d37b73795649038408b5f33', components: { canvas } },
    ];
    for (const traits of shown) {
      const answer = await pays('alice', { ...traits, token });
      expect(answer.signals.device.facts, JSON.stringify(traits)).toMatchObject({
        'device.state': 'unconfirmed',
        'device.trusted': false,
      });
      expect(answer.decision).toBe('step-up');
      expect(answer.device.id).toMatch(/^d-/);
      // What was shown less is not what the device is from now on.
      expect(await pays('alice', { ...full, token })).toMatchObject({ decision: 'allow', score: 0 });
    }
  });

  test('A device token of a client that never had traits is trusted alone, and more traits than on record take nothing away', async () => {
    const bare = await trusted('app', { fingerprint: GENUINE });
    expect((await pays('app', { fingerprint: GENUINE, components: COMPONENTS, token: bare })).decision).toBe('allow');
    const other = await trusted('owner', { fingerprint: GENUINE });
    const native = await happened({
      type: 'login.succeeded',
      subject: 'native',
      device: { token: other },
      trust_device: true,
    });
    const { decision, signals } = await pays('native', { token: native.device.token });
    expect(signals.device.facts).toMatchObject({ 'device.state': 'trusted' });
    expect(decision).toBe('allow');
  });

  test('A device token that comes without its traits lets pages and the log-in at home through, and asks at a log-in elsewhere', async () => {
    const token = await trusted('carl', { fingerprint: GENUINE, components: COMPONENTS });
    const alone = (action: string, ip: string) => checked({ action, subject: 'carl', ip, device: { token } });
    expect(await alone('profile.view', CAFE)).toMatchObject({ decision: 'allow', score: 15 });
    expect(await alone('login', HOME)).toMatchObject({ decision: 'allow', score: 15 });
    expect(await alone('login', CAFE)).toMatchObject({ decision: 'step-up', score: 30 });
  });

  const SKIPPED = hashComponents({
    canvas: { value: { winding: true, geometry: 'skipped', text: 'skipped' }, duration: 1 },
  }).slice(0, 4);

  test.each([
    ['puts a known constant for its canvas', 'dora', SKIPPED],
    ['puts a constant for its canvas that is not known yet', 'emil', 'beef'],
  ])(
    'A device token moved to another machine with the same browser, which %s, is not trusted',
    async (_what, subject, canvas) => {
      const browser = { audio: '0a0a', browser: '1b1b', fonts: '2c2c' };
      const own = {
        fingerprint: GENUINE,
        components: { canvas, ...browser, screen: '3d3d', webgl: '4e4e', machine: '5f5f', locale: '6a6a' },
      };
      const token = await trusted(subject, own);
      for (let n = 0; n < 3; n++) await happened({ type: 'login.succeeded', subject, device: { ...own, token } });
      expect(await pays(subject, { ...own, token })).toMatchObject({ decision: 'allow' });
      const machine = { screen: '3d99', webgl: '4e99', machine: '5f99' };
      const fingerprint = '0cc175b9c0f1b6a831c399e269772661';
      const thieves = [
        { canvas, ...browser, ...machine, locale: '6a99' },
        { ...browser, ...machine, locale: '6a99' },
        // In the victim's country.
        { canvas, ...browser, ...machine, locale: '6a6a' },
        // On a screen of the same size, which is all that the machines themselves have in common.
        ...(canvas === SKIPPED ? [{ canvas, ...browser, ...machine, screen: '3d3d', locale: '6a6a' }] : []),
      ];
      for (const components of thieves) {
        const answer = await pays(subject, { fingerprint, components, token });
        expect(answer.signals.device.facts, JSON.stringify(components)).toMatchObject({ 'device.trusted': false });
        expect(['mismatch', 'unconfirmed']).toContain(answer.signals.device.facts['device.state']);
        expect(answer.decision).toBe('step-up');
      }
    },
  );

  test('A device token goes on being trusted when its collector no longer sends the constant', async () => {
    const groups = { audio: '0a0a', browser: '1b1b', fonts: '2c2c', screen: '3d3d', webgl: '4e4e', machine: '5f5f' };
    const token = await trusted('fred', { fingerprint: GENUINE, components: { ...groups, canvas: SKIPPED } });
    for (const components of [groups, { ...groups, canvas: SKIPPED }, groups]) {
      const answer = await pays('fred', { fingerprint: GENUINE, components, token });
      expect(answer).toMatchObject({ decision: 'allow', score: 0 });
    }
  });
});
