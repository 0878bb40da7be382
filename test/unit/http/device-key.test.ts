import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { tokenHash } from '../../../src/model/possession.ts';
import { type ClientKey, clientKey } from '../../support/possession.ts';
import { NOW_MS, scene } from '../../support/scene.ts';

const fingerprint = '7d793037a0760186574b0282f2f435e7';

describe('the key of a page, told by an application', () => {
  const proofFor = async (key: ClientKey, method: string, path: string, claims = {}) => {
    const asked = { method, url: `https://shop.example${path}`, atMs: NOW_MS, claims };
    return { jws: await key.prove(asked), method, path };
  };

  test('A reported log-in binds the device that it vouches for, and a check with the proof finds it trusted', async () => {
    const { post, settled } = scene();
    const key = await clientKey();
    const login = await post('/v1/events', {
      type: 'login.succeeded',
      subject: 'ann',
      trust_device: true,
      device: { fingerprint, key_proof: await proofFor(key, 'POST', '/login') },
    });
    const { token } = (await login.json()).device;
    expect(decodeJwt(token).cnf).toEqual({ jkt: key.thumbprint });
    await settled();

    const factsWith = async (device: object) => {
      const asked = { subject: 'ann', action: 'login', device: { fingerprint, token, ...device } };
      return (await (await post('/v1/risk-check', asked)).json()).signals.device.facts;
    };
    expect(await factsWith({})).toMatchObject({ 'device.state': 'unconfirmed', 'device.bound': true });
    // The application behind a proxy that takes `/shop` off sees the end of the path alone.
    const prefixed = {
      ...(await proofFor(key, 'POST', '/shop/pay', { ath: await tokenHash(token) })),
      path: '/pay?x=1',
    };
    expect(await factsWith({ key_proof: prefixed })).toMatchObject({
      'device.state': 'trusted',
      'device.key_proof': 'valid',
    });
    expect(await factsWith({ key_proof: { ...prefixed, method: 'GET' } })).toMatchObject({
      'device.state': 'unconfirmed',
      'device.key_proof_code': 'method',
    });
  });

  test('A proof is a claim of the device by itself, and an unreadable one fails no call', async () => {
    const { post } = scene();
    const asked = { subject: 'ann', action: 'login', device: { key_proof: { jws: 'x, y', method: 'GET', path: '/' } } };
    const response = await post('/v1/risk-check', asked);
    expect(response.status).toBe(200);
    expect((await response.json()).signals.device.facts).toMatchObject({
      'device.state': 'absent',
      'device.key_proof': 'refused',
      'device.key_proof_code': 'malformed',
    });
  });
});
