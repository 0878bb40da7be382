import { describe, expect, it } from 'vitest';
import { NOW_MS, scene } from '../../support/scene.ts';

const rules = {
  actions: { login: {}, browse: { trust: { amr_values: [] } } },
  trust: { days: 30, acr_values: ['gold', 'platinum'], amr_values: ['hwk'] },
  rules: [{ id: 'untrusted', when: { not: { 'device.trusted': true } }, then: { decision: 'step-up' } }],
};

describe('trust that asks for more than the rules do', () => {
  const answered = async (claims: object, action = 'login') => {
    const { check, issuer, clock } = scene({ rules });
    const token = await issuer.sign({ sub: 'ann', su: true, jti: 'j1', ...claims });
    clock.ms = NOW_MS + 1000;
    return check({ subject: 'ann', action, device: { fingerprint: 'fp-1' }, step_up_token: token });
  };

  it('A step-up with one of the classes and all of the methods lets in and makes the device trusted', async () => {
    const { decision, device } = await answered({ acr: 'gold', amr: ['hwk', 'user'] });
    expect(decision).toBe('allow');
    expect(device?.token).toEqual(expect.any(String));
  });

  it.each([
    { acr: 'silver', amr: ['hwk'] },
    { acr: 'gold', amr: ['pwd', 'otp'] },
    { amr: ['hwk'] },
    { acr: 'gold' },
    {},
  ])('A weaker step-up lets in and earns no trust: %j', async (claims) => {
    const { decision, device } = await answered(claims);
    expect(decision).toBe('allow');
    expect(device?.token ?? null).toBeNull();
  });

  it('An action may ask for less than the file', async () => {
    expect((await answered({ acr: 'platinum', amr: ['pwd'] }, 'browse')).device?.token).toEqual(expect.any(String));
    expect((await answered({ amr: ['pwd'] }, 'browse')).device?.token ?? null).toBeNull();
  });
});
