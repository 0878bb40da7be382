import { expect, test } from 'vitest';
import { SESSION_RULES } from '../support/device-session/application.ts';
import { API_KEY, scene } from '../support/scene.ts';
import { deviceSessionSuite } from './device-session-suite.ts';

test('With DEVICE_BOUND_SESSIONS off nobody is invited', async () => {
  const it = scene({ rules: SESSION_RULES });
  const paid = await it.check({
    subject: 'ann',
    action: 'pay',
    device: { fingerprint: 'a-laptop' },
    step_up_token: await it.proof('ann'),
  });
  expect(paid.device).toMatchObject({ token: expect.any(String), invitation: null });
});

deviceSessionSuite(async () => {
  const it = scene({ rules: SESSION_RULES, offersDeviceSessions: true });
  return {
    call: async (path, init) => it.app.request(path, init),
    key: API_KEY,
    token: (sub, { su = false } = {}) => it.issuer.sign({ sub, jti: crypto.randomUUID(), ...(su && { su }) }, 5),
    now: () => it.clock.ms,
    settled: it.settled,
    close: async () => undefined,
  };
});
