import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayScene, gatewayScene, HOOK_RULES } from '../../support/gateway-scene.ts';
import { type ClientKey, clientKey } from '../../support/possession.ts';

const TRAITS = { 'X-Stepgate-Device': 'v=1;fp=b1946ac92492d2347c6235b4d2611184' };
const URL_PAY = 'https://app.example/api/pay';

let rig: GatewayScene;
beforeAll(async () => {
  rig = await gatewayScene({ rules: HOOK_RULES });
});
afterAll(() => rig.close());

/** A browser with a session, and with or without a key. */
function browser(subject: string, key: ClientKey | null) {
  let cookie = '';
  const session = async () => ({ Authorization: `Bearer ${await rig.token({ sub: subject })}` });
  const shown = () => ({ ...TRAITS, ...(cookie !== '' && { Cookie: cookie }) });
  const proofFor = async (method: string, url: string, with_ = key): Promise<Record<string, string>> =>
    with_ === null ? {} : { 'X-Stepgate-Device-Proof': await with_.prove({ method, url, atMs: rig.clock.ms }) };
  const facts = async () => {
    await rig.settled();
    return rig.records.at(-1)?.facts ?? {};
  };
  return {
    facts,
    cookie: () => cookie,
    /** Steps up while paying, and keeps the cookie. */
    async pay(with_: ClientKey | null = key, traits: object = TRAITS) {
      rig.clock.ms += 2_000;
      const answer = await rig.forward('POST', '/api/pay', {
        ...(await session()),
        ...shown(),
        ...(traits !== TRAITS && { 'X-Stepgate-Device': '' }),
        ...(await proofFor('POST', URL_PAY, with_)),
        'X-Step-Up-Token': await rig.token({ sub: subject, su: true }, 0),
      });
      expect(answer.status).toBe(200);
      await rig.settled();
      const [set] = answer.headers['set-cookie'] ?? [];
      if (set !== undefined) cookie = set.split(';')[0] ?? '';
      return set === undefined ? null : decodeJwt(cookie.split('=')[1] ?? '');
    },
    /** Asks for an open page. */
    async look(headers: Record<string, string | string[]> = {}) {
      const answer = await rig.forward('GET', '/public/a?q=1', { ...(await session()), ...shown(), ...headers });
      expect(answer.status).toBe(200);
      return facts();
    },
    proofFor,
  };
}

describe('a browser with a key', () => {
  test('Its step-up binds the device: the token names the key, and later proofs make it trusted', async () => {
    const key = await clientKey();
    const ann = browser('k-ann', key);
    const token = await ann.pay();
    expect(token?.cnf).toEqual({ jkt: key.thumbprint });
    rig.clock.ms += 60_000;
    expect(await ann.look(await ann.proofFor('GET', 'https://app.example/public/a'))).toMatchObject({
      'device.state': 'trusted',
      'device.bound': true,
      'device.bound_age_s': 60,
      'device.key_changed': false,
      'device.key_proof': 'valid',
    });
  });

  test('Its token without a proof is not trusted, wherever the traits came from', async () => {
    const ann = browser('k-bea', await clientKey());
    await ann.pay();
    const facts = await ann.look();
    expect(facts).toMatchObject({ 'device.state': 'unconfirmed', 'device.trusted': false, 'device.bound': true });
    expect([facts['device.key_proof'], facts['device.key_changed']]).toEqual([undefined, undefined]);
  });

  test('A proof by a key of the thief is reported as such', async () => {
    const ann = browser('k-cat', await clientKey());
    await ann.pay();
    const thief = await clientKey();
    expect(await ann.look(await ann.proofFor('GET', 'https://app.example/public/a', thief))).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_changed': true,
    });
  });

  test.each([
    ['of another method', { method: 'POST' }, 'method'],
    ['of another path', { url: 'https://app.example/public/b' }, 'url'],
    ['of six minutes ago', { ago: 360 }, 'time'],
    ['of a clock that is ahead by six minutes', { ago: -360 }, 'time'],
    ['for another device token', { claims: { ath: 'A'.repeat(43) } }, 'token'],
    ['of another type', { header: { typ: 'dpop+jwt' } }, 'type'],
  ])('A proof %s is refused with its code', async (_case, changes, why) => {
    const key = await clientKey();
    const ann = browser('k-dan', key);
    await ann.pay();
    const { ago = 0, ...rest } = changes as { ago?: number; url?: string };
    const asked = { method: 'GET', url: 'https://app.example/public/a', atMs: rig.clock.ms - ago * 1000, ...rest };
    expect(await ann.look({ 'X-Stepgate-Device-Proof': await key.prove(asked) })).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_proof': 'refused',
      'device.key_proof_code': why,
    });
  });

  test('Two proofs are none, and a proof by another name of the host is as good', async () => {
    const key = await clientKey();
    const ann = browser('k-eve', key);
    await ann.pay();
    const proof = await key.prove({ method: 'GET', url: 'https://www.app.example:8443/public/a', atMs: rig.clock.ms });
    expect(await ann.look({ 'X-Stepgate-Device-Proof': proof })).toMatchObject({ 'device.state': 'trusted' });
    expect(await ann.look({ 'X-Stepgate-Device-Proof': [proof, proof] })).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_proof_code': 'malformed',
    });
  });

  test('A key that was lost is replaced by the next step-up, after which the lost one is worth nothing', async () => {
    const lost = await clientKey();
    const ann = browser('k-fay', lost);
    await ann.pay();
    const stolen = ann.cookie();
    const next = await clientKey();
    expect((await ann.pay(next))?.cnf).toEqual({ jkt: next.thumbprint });
    const look = (key: ClientKey) => ann.proofFor('GET', 'https://app.example/public/a', key);
    expect(await ann.look(await look(next))).toMatchObject({ 'device.state': 'trusted', 'device.bound_age_s': 0 });
    expect(await ann.look({ ...(await look(lost)), Cookie: stolen })).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_changed': true,
    });
  });

  test('A trusted device without a key is bound by the first step-up that shows one, and not asked for another token after', async () => {
    const ann = browser('k-gus', null);
    expect((await ann.pay())?.cnf).toBeUndefined();
    const unbound = ann.cookie();
    expect(await ann.look()).toMatchObject({ 'device.state': 'trusted', 'device.bound': false });
    const key = await clientKey();
    expect((await ann.pay(key))?.cnf).toEqual({ jkt: key.thumbprint });
    expect(await ann.pay(key)).toBeNull();
    expect(await ann.look({ Cookie: unbound })).toMatchObject({ 'device.state': 'unconfirmed', 'device.bound': true });
  });

  test('A page that steps up and shows no key is unbound, a page load that shows nothing leaves the key in place', async () => {
    const key = await clientKey();
    const ann = browser('k-ida', key);
    await ann.pay();
    expect(await ann.pay(null, {})).toBeNull();
    expect(await ann.look()).toMatchObject({ 'device.state': 'unconfirmed', 'device.bound': true });
    expect((await ann.pay(null))?.cnf).toBeUndefined();
    expect(await ann.look()).toMatchObject({ 'device.state': 'trusted', 'device.bound': false });
  });
});
