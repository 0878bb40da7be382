import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tokenHash } from '../../../src/model/possession.ts';
import { type GatewayScene, gatewayScene } from '../../support/gateway-scene.ts';
import { type ClientKey, clientKey } from '../../support/possession.ts';

const PAY = 'https://app.example/api/pay';

let rig: GatewayScene;
let key: ClientKey;
beforeAll(async () => {
  [rig, key] = await Promise.all([gatewayScene(), clientKey('dpop+jwt')]);
});
afterAll(() => rig.close());

const bound = (sub: string, more: object = {}) => rig.token({ sub, cnf: { jkt: key.thumbprint }, ...more });

async function withProof(
  token: string,
  changes: { method?: string; url?: string; claims?: object; by?: ClientKey } = {},
) {
  const { method = 'POST', url = PAY, claims = {}, by = key } = changes;
  const proof = { method, url, atMs: rig.clock.ms, claims: { ath: await tokenHash(token), ...claims } };
  return { Authorization: `DPoP ${token}`, DPoP: await by.prove(proof) };
}

async function recorded() {
  await rig.settled();
  const { facts, subject, degraded } = rig.records.at(-1) ?? {};
  return {
    state: facts?.['session.credential'],
    code: facts?.['session.code'],
    bound: facts?.['session.sender_constrained'],
    isSomebodys: subject !== null,
    degraded,
  };
}

describe('a session token that is bound to a key', () => {
  test('With its proof it is the session of its subject, and counts as a step-up if it is one', async () => {
    const session = await bound('ann');
    const asked = await rig.forward('POST', '/api/pay', await withProof(session));
    expect(asked).toMatchObject({ status: 401, headers: { 'x-stepgate-subject': 'ann', 'x-stepgate-error': '' } });
    expect(await recorded()).toMatchObject({ state: 'accepted', bound: true });
    const proven = await bound('ann', { su: true });
    expect(await rig.forward('POST', '/api/pay', await withProof(proven))).toMatchObject({ status: 200 });
  });

  test('A bearer token is accepted as before, and is bound to nothing', async () => {
    await rig.forward('GET', '/public/a', { Authorization: `Bearer ${await rig.token({ sub: 'ann' })}` });
    expect(await recorded()).toMatchObject({ state: 'accepted', bound: false });
  });

  test('Without its proof it is refused, under either scheme, and as a step-up token of another session', async () => {
    const session = await bound('ann', { su: true });
    for (const [headers, code, challenge] of [
      [{ Authorization: `Bearer ${session}` }, 'sender_constrained', 'Bearer error="invalid_token"'],
      [{ Authorization: `DPoP ${session}` }, 'dpop_missing', 'DPoP error="invalid_dpop_proof"'],
    ] as const) {
      const answer = await rig.forward('POST', '/api/pay', headers);
      expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-error': 'session_refused' } });
      expect(answer.headers['www-authenticate']).toContain(challenge);
      expect(await recorded()).toMatchObject({ state: 'refused', code, isSomebodys: false });
    }
    const beside = { Authorization: `Bearer ${await rig.token({ sub: 'ann' })}`, 'X-Step-Up-Token': session };
    expect((await rig.forward('POST', '/api/pay', beside)).headers['www-authenticate']).toContain('sender_constrained');
  });

  test.each([
    ['for another method', { method: 'GET' }, 'dpop_method'],
    ['for another path', { url: 'https://app.example/api/other' }, 'dpop_url'],
    ['for the end of the path alone', { url: 'https://app.example/pay' }, 'dpop_url'],
    ['for another host', { url: 'https://other.example/api/pay' }, 'dpop_url'],
    ['of six minutes ago', { claims: { iat: Date.UTC(2026, 10, 25, 2) / 1000 - 360 } }, 'dpop_time'],
    ['for another token', { claims: { ath: 'A'.repeat(43) } }, 'dpop_token'],
    ['for no token', { claims: { ath: undefined } }, 'dpop_token'],
  ])('A proof %s is refused with its code', async (_case, changes, code) => {
    const answer = await rig.forward('POST', '/api/pay', await withProof(await bound('ann', { su: true }), changes));
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-error': 'session_refused' } });
    expect(answer.headers['www-authenticate']).toMatch(/^DPoP error="invalid_dpop_proof".*algs="ES256 /);
    expect(JSON.parse(answer.text)).toMatchObject({ error: 'invalid_dpop_proof' });
    expect(await recorded()).toMatchObject({ state: 'refused', code, isSomebodys: false });
  });

  test('A proof by another key, or with a token that is bound to none, is refused as an invalid token', async () => {
    const other = await clientKey('dpop+jwt');
    for (const [token, by, code] of [
      [await bound('ann', { su: true }), other, 'dpop_bound_key'],
      [await rig.token({ sub: 'ann', su: true }), key, 'dpop_unbound'],
      [await bound('ann', { cnf: { jkt: key.thumbprint, 'x5t#S256': 'x' } }), key, 'sender_constrained'],
    ] as const) {
      const answer = await rig.forward('POST', '/api/pay', await withProof(token, { by }));
      expect(answer.headers['www-authenticate']).toContain(`error="invalid_token", error_description="${code}`);
      expect(await recorded()).toMatchObject({ state: 'refused', code });
    }
  });

  test('The default port, the query and another spelling of the path change nothing', async () => {
    const session = await bound('dan', { su: true });
    const headers = await withProof(session, { url: 'https://APP.example:443/api/../api/pay?x=1#y' });
    expect(await rig.forward('POST', '/api/pay?z=2', headers)).toMatchObject({ status: 200 });
  });

  test('A proof counts once: sent again it lets nobody in, is nobody’s, and teaches nothing', async () => {
    const headers = await withProof(await bound('once', { su: true }));
    expect(await rig.forward('POST', '/api/pay', headers)).toMatchObject({ status: 200 });
    const again = await rig.forward('POST', '/api/pay', headers);
    expect(again).toMatchObject({
      status: 401,
      headers: { 'x-stepgate-error': 'session_refused', 'x-stepgate-subject': '' },
    });
    expect(again.headers['www-authenticate']).toContain('dpop_replayed');
    expect(await recorded()).toMatchObject({ state: 'refused', code: 'dpop_replayed', isSomebodys: false });
    const open = await rig.forward(
      'GET',
      '/public/a',
      await withProof(await bound('once'), { method: 'GET', url: 'https://app.example/public/a' }),
    );
    expect(open).toMatchObject({ status: 200, headers: { 'x-stepgate-subject': 'once' } });
  });

  test('A proof that nothing can record is not accepted, and the check is degraded', async () => {
    const headers = await withProof(await bound('eve', { su: true }));
    rig.breakStore('timeout');
    const answer = await rig.forward('POST', '/api/pay', headers);
    rig.breakStore(null);
    expect(answer).toMatchObject({ status: 401, headers: { 'x-stepgate-subject': '' } });
    expect(await recorded()).toMatchObject({
      code: 'dpop_unrecorded',
      degraded: expect.arrayContaining([{ part: 'session', why: 'dpop_unrecorded' }]),
    });
    expect(await rig.forward('POST', '/api/pay', headers)).toMatchObject({ status: 200 });
  });
});
