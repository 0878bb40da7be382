import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, type Scene, scene } from '../../support/scene.ts';

const RULES = {
  trust: { days: 100, idle_days: 20 },
  actions: { read: {}, pay: {} },
  rules: [{ id: 'pays', when: { action: 'pay' }, then: { decision: 'step-up' } }],
};
const COMPONENTS = { audio: 'a1', browser: 'b1', canvas: 'c1', fonts: 'f1', machine: 'm1', screen: 's1', webgl: 'w1' };
const LAPTOP = { fingerprint: 'laptop-fingerprint', components: COMPONENTS };
const HOME = '81.2.69.160';
const AWAY = '89.98.229.250';

async function pays(it: Scene, device: object | undefined, more: object = {}) {
  const token = await it.proof('ann');
  return it.check({ subject: 'ann', ip: HOME, action: 'pay', device, step_up_token: token, ...more });
}

const reads = (it: Scene, device: object, more: object = {}) =>
  it.check({ subject: 'ann', ip: HOME, action: 'read', device, ...more });

async function trustedLaptop(it: Scene): Promise<object> {
  const { device } = await pays(it, LAPTOP);
  return { ...LAPTOP, token: device?.token };
}

async function isTrusted(it: Scene, device: object): Promise<unknown> {
  const { signals } = await it.check({ subject: 'ann', ip: HOME, action: 'read', device, dry_run: true });
  return signals.device?.facts['device.trusted'];
}

describe('renewal of trust', () => {
  test('Trust is renewed by each use on a known network, up to its absolute limit', async () => {
    const it = scene({ rules: RULES });
    const laptop = await trustedLaptop(it);
    const provenMs = it.clock.ms;
    for (let days = 15; days < 100; days += 15) {
      it.clock.ms = provenMs + days * DAY_MS;
      expect((await reads(it, laptop)).signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    }
    it.clock.ms = provenMs + 100 * DAY_MS - HOUR_MS;
    expect(await isTrusted(it, laptop)).toBe(true);
    it.clock.ms = provenMs + 100 * DAY_MS;
    expect(await isTrusted(it, laptop)).not.toBe(true);
  });

  test('Trust that is not used ends with its idle limit, and the token still names its device', async () => {
    const it = scene({ rules: RULES });
    const laptop = await trustedLaptop(it);
    it.clock.ms += 20 * DAY_MS - 1000;
    expect(await isTrusted(it, laptop)).toBe(true);
    it.clock.ms += 1000;
    expect((await reads(it, laptop)).signals.device?.facts).toMatchObject({ 'device.state': 'known' });
  });

  test.each([
    ['on a network that is new to the subject', LAPTOP, { ip: AWAY, action: 'look' }],
    ['without the traits on record', {}, {}],
    ['on trial', LAPTOP, { dry_run: true }],
    ['on behalf of the subject by somebody else', LAPTOP, { actor: 'help-desk' }],
  ])('Trust is not renewed by a use %s', async (_which, traits, more) => {
    const actor = 'actor' in more ? { actor: 'help-desk' } : {};
    const { actor: _actor, ...body } = { actor: null, ...more };
    // An action that learns nothing, or the network would be known the next time.
    const it = scene({ rules: { ...RULES, actions: { ...RULES.actions, look: { learn: 'event' } } } });
    const { token } = { token: null, ...(await trustedLaptop(it)) };
    for (let n = 0; n < 2; n++) {
      it.clock.ms += 9 * DAY_MS;
      await it.check({ subject: 'ann', ip: HOME, action: 'read', device: { ...traits, token }, ...body }, actor);
    }
    it.clock.ms += 2 * DAY_MS;
    expect(await isTrusted(it, { ...LAPTOP, token })).toBe(false);
  });

  test('Trust is renewed by a reported success too', async () => {
    const it = scene({ rules: RULES });
    const laptop = await trustedLaptop(it);
    it.clock.ms += 19 * DAY_MS;
    await it.tell('login.succeeded', { subject: 'ann', ip: HOME, device: laptop });
    it.clock.ms += 19 * DAY_MS;
    expect(await isTrusted(it, laptop)).toBe(true);
  });

  test('Trust that was taken away while a use was under way is not renewed', async () => {
    const it = scene({ rules: RULES });
    const laptop = await trustedLaptop(it);
    it.clock.ms += 10 * DAY_MS;
    await it.tell('credential.changed', { subject: 'ann' });
    await reads(it, laptop);
    expect(await isTrusted(it, laptop)).toBe(false);
  });

  test('Trust lasts its days from the proof where the rules set no idle limit, however much it is used', async () => {
    const it = scene({ rules: { ...RULES, trust: { days: 30 } } });
    const laptop = await trustedLaptop(it);
    for (let n = 0; n < 3; n++) {
      it.clock.ms += 9 * DAY_MS;
      await reads(it, laptop);
    }
    it.clock.ms += 3 * DAY_MS - 1000;
    expect(await isTrusted(it, laptop)).toBe(true);
    it.clock.ms += 1000;
    expect(await isTrusted(it, laptop)).not.toBe(true);
  });
});

describe('a device that shows no traits', () => {
  test('Earns a token by a proof, and is trusted by it alone', async () => {
    const it = scene({ rules: RULES });
    for (const shown of [undefined, {}, { bot: false }]) {
      const { device } = await pays(it, shown);
      expect(device).toMatchObject({ id: expect.stringMatching(/^d-/), token: expect.any(String) });
      expect(await isTrusted(it, { token: device?.token })).toBe(true);
    }
  });

  test('Earns one by a reported success, and none where the collector was blocked and a placeholder is shown', async () => {
    const it = scene({ rules: RULES });
    const report = (device?: object) =>
      it.tell('login.succeeded', { subject: 'ann', ip: HOME, trust_device: true, device });
    expect((await report()).device?.token).toEqual(expect.any(String));
    expect(await report({ fingerprint: 'undefined' })).toEqual({ device: null });
  });

  test('Is not remembered as long as it has earned nothing', async () => {
    const it = scene({ rules: RULES });
    expect((await reads(it, {})).device).toBeNull();
    await it.tell('login.succeeded', { subject: 'ann', ip: HOME });
    expect((await reads(it, {})).device).toBeNull();
  });
});

describe('a browser that blurs its traits', () => {
  const started = (n: number) => ({
    fingerprint: `blurred-fingerprint-${n}`,
    components: { ...COMPONENTS, audio: `a-${n}`, canvas: `c-${n}`, machine: `m-${n}`, webgl: `w-${n}` },
  });

  test('Is asked once more after it has earned trust, and not again at later starts', async () => {
    const it = scene({ rules: RULES });
    const first = await pays(it, started(1));
    const carried = { ...started(2), token: first.device?.token };
    expect((await reads(it, carried)).signals.device?.facts).toMatchObject({ 'device.state': 'mismatch' });
    const second = await pays(it, carried);
    for (const n of [3, 4, 5]) {
      const { signals } = await reads(it, { ...started(n), token: second.device?.token });
      expect(signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    }
    // The token that was shown then is not left behind for whoever copied it.
    expect(await isTrusted(it, { ...started(1), token: first.device?.token })).toBe(false);
  });

  test('Learns nothing as unstable from whoever shows its token without a proof', async () => {
    const it = scene({ rules: RULES });
    const { device } = await pays(it, started(1));
    for (const n of [2, 3, 4]) await reads(it, { ...started(n), token: device?.token });
    expect(await isTrusted(it, { ...started(5), token: device?.token })).toBe(false);
    expect(await isTrusted(it, { ...started(1), token: device?.token })).toBe(true);
  });
});

/** Longer than a visit. */
const VISIT_MS = HOUR_MS;

/** A browser that keeps the token of each answer, unless that is lost. */
function browserOf(it: Scene, subject: string, token: string | null, traits: object = LAPTOP) {
  let jar = token;
  return {
    jar: () => jar,
    async reads(more: object = {}) {
      const device = { ...traits, ...(jar !== null && { token: jar }) };
      const { lost, ...body } = { lost: false, ...more };
      const result = await it.check({ subject, ip: HOME, action: 'read', device, ...body });
      if (!lost) jar = result.device?.token ?? jar;
      return result;
    },
  };
}

async function trustedBrowser(it: Scene, subject = 'ann') {
  const step_up_token = await it.proof(subject);
  const { device } = await it.check({ subject, ip: HOME, action: 'pay', device: LAPTOP, step_up_token });
  return browserOf(it, subject, device?.token ?? null);
}

const REVOKED = { 'device.state': 'revoked', 'device.trusted': false, 'device.token_reused': true };

describe('a token with two holders', () => {
  test('Is handed on at each visit and not at each request, and keeps the device trusted', async () => {
    const it = scene({ rules: RULES });
    const browser = await trustedBrowser(it);
    const tokens = new Set([browser.jar()]);
    for (let visit = 0; visit < 5; visit++) {
      it.clock.ms += VISIT_MS;
      for (let request = 0; request < 3; request++) {
        const { signals } = await browser.reads();
        expect(signals.device?.facts).toMatchObject({ 'device.state': 'trusted', 'device.token_reused': false });
        it.clock.ms += 1000;
      }
      tokens.add(browser.jar());
    }
    expect(tokens.size).toBe(6);
  });

  test('Loses the trust of both once the victim is back after a thief, who then stays out', async () => {
    const it = scene({ rules: RULES });
    const victim = await trustedBrowser(it);
    const thief = browserOf(it, 'ann', victim.jar());
    it.clock.ms += VISIT_MS;
    await thief.reads();
    expect((await thief.reads()).signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    it.clock.ms += VISIT_MS;
    const found = await victim.reads();
    expect(found.signals.device?.facts).toMatchObject(REVOKED);
    expect(found.device?.token ?? null).toBeNull();
    expect((await thief.reads()).signals.device?.facts).toMatchObject(REVOKED);
    // The one who can prove it starts again under another id.
    const step_up_token = await it.proof('ann');
    const again = await it.check({
      subject: 'ann',
      ip: HOME,
      action: 'pay',
      device: { ...LAPTOP, token: victim.jar() },
      step_up_token,
    });
    expect(again.device?.id).not.toBe(found.device?.id);
    const home = browserOf(it, 'ann', again.device?.token ?? null);
    expect((await home.reads()).signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
    expect((await thief.reads()).signals.device?.facts).toMatchObject(REVOKED);
  });

  test('Is found out too when the thief comes second, or throws the answers away', async () => {
    const it = scene({ rules: RULES });
    const victim = await trustedBrowser(it);
    const late = browserOf(it, 'ann', victim.jar());
    it.clock.ms += VISIT_MS;
    await victim.reads();
    await victim.reads();
    it.clock.ms += VISIT_MS;
    expect((await late.reads()).signals.device?.facts).toMatchObject(REVOKED);

    const bob = await trustedBrowser(it, 'bob');
    const careful = browserOf(it, 'bob', bob.jar());
    for (const who of [careful, bob, bob]) {
      it.clock.ms += VISIT_MS;
      expect((await who.reads({ lost: who === careful })).signals.device?.facts).toMatchObject({
        'device.state': 'trusted',
      });
    }
    it.clock.ms += VISIT_MS;
    expect((await careful.reads({ lost: true })).signals.device?.facts).toMatchObject(REVOKED);
  });

  test('Is found out even where it comes with other traits, and is asked', async () => {
    const it = scene({ rules: RULES });
    const victim = await trustedBrowser(it);
    const machine = {
      fingerprint: 'another-machine',
      components: { ...COMPONENTS, canvas: 'x', machine: 'x', screen: 'x', webgl: 'x' },
    };
    const thief = browserOf(it, 'ann', victim.jar(), machine);
    it.clock.ms += VISIT_MS;
    await victim.reads();
    await victim.reads();
    it.clock.ms += VISIT_MS;
    expect((await thief.reads()).signals.device?.facts).toMatchObject(REVOKED);
    expect((await victim.reads()).signals.device?.facts).toMatchObject(REVOKED);
  });

  test('Is not suspected where answers are lost, checks are on trial or by somebody else, or the store takes no write', async () => {
    const it = scene({ rules: RULES });
    const browser = await trustedBrowser(it);
    for (const more of [{ lost: true }, { lost: true }, {}, { dry_run: true }, { lost: true }, {}, {}]) {
      it.clock.ms += VISIT_MS;
      const { signals, device } = await browser.reads(more);
      expect(signals.device?.facts).toMatchObject({ 'device.state': 'trusted', 'device.token_reused': false });
      if ('dry_run' in more) expect(device?.token).toBeNull();
    }
    it.clock.ms += VISIT_MS;
    const { device } = await it.check(
      { subject: 'ann', ip: HOME, action: 'read', device: { ...LAPTOP, token: browser.jar() } },
      { actor: 'help-desk' },
    );
    expect(device?.token).toBeNull();
    expect((await browser.reads()).signals.device?.facts).toMatchObject({ 'device.state': 'trusted' });
  });

  test('Is told apart for each of those who share a browser', async () => {
    const it = scene({ rules: RULES });
    const ann = await trustedBrowser(it);
    const stolen = ann.jar();
    const step_up_token = await it.proof('bob');
    const shared = await it.check({
      subject: 'bob',
      ip: HOME,
      action: 'pay',
      device: { ...LAPTOP, token: ann.jar() },
      step_up_token,
    });
    let jar = shared.device?.token ?? null;
    for (const subject of ['ann', 'bob', 'ann', 'ann', 'bob', 'bob']) {
      it.clock.ms += VISIT_MS;
      const browser = browserOf(it, subject, jar);
      expect((await browser.reads()).signals.device?.facts, subject).toMatchObject({ 'device.state': 'trusted' });
      jar = browser.jar();
    }
    it.clock.ms += VISIT_MS;
    expect((await browserOf(it, 'ann', stolen).reads()).signals.device?.facts).toMatchObject(REVOKED);
    expect((await browserOf(it, 'bob', jar).reads()).signals.device?.facts).toMatchObject({
      'device.state': 'trusted',
    });
  });

  test('Is passed on in the full and in the minimal answer, and counted when it was reused', async () => {
    const it = scene({ rules: RULES });
    const victim = await trustedBrowser(it);
    const first = victim.jar();
    let token = first;
    const body = () => ({ subject: 'ann', ip: HOME, action: 'read', device: { ...LAPTOP, token } });
    for (const prefer of ['return=representation', 'return=minimal']) {
      it.clock.ms += VISIT_MS;
      const { device } = await (await it.post('/v1/risk-check', body(), { Prefer: prefer })).json();
      expect(device).toMatchObject({ token: expect.any(String), expires_at: expect.any(String) });
      expect(device.token).not.toBe(token);
      token = device.token;
      await it.settled();
    }
    const evaluation = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      resource: { type: 'page', id: '1' },
      context: { ip: HOME, device: { ...LAPTOP, token } },
    };
    it.clock.ms += VISIT_MS;
    const { context } = await (await it.post('/access/v1/evaluation', evaluation)).json();
    expect(context.stepgate.device.token).toEqual(expect.any(String));
    await it.settled();
    token = first;
    await it.post('/v1/risk-check', body());
    await it.settled();
    expect(it.records.at(-1)?.facts).toMatchObject({ 'device.token_reused': true });
  });
});
