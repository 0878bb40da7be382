import { expect, test } from 'vitest';
import { check } from '../../src/engine/check.ts';
import { checkRequestOf } from '../../src/http/wire.ts';
import type { Store } from '../../src/store/store.ts';
import { AUTHORIZED, type Scene, scene } from '../support/scene.ts';

const RULES = {
  version: 1,
  trust: { days: 30 },
  rules: [{ id: 'pay', when: { action: 'pay' }, then: { decision: 'step-up', max_age: 300 } }],
};

const ROUNDS = 200;
const AT_ONCE = 10;
const LAPTOP = { fingerprint: '5d41402abc4b2a76b9719d911017c592' };

/** Takes trust away from one subject. */
type Revoke = (app: Scene, subject: string) => Promise<Response>;

const event = (type: string, more: object = {}): Revoke => {
  return ({ post }, subject) => post('/v1/events', { type, subject, ...more });
};

const KINDS: readonly [string, Revoke][] = [
  ['a changed credential', event('credential.changed')],
  ['a revoked session', event('session.revoked', { session: 's-1' })],
  [
    'the end of trust in all devices',
    async ({ app }, subject) =>
      app.request(`/v1/subjects/${subject}/devices`, { method: 'DELETE', headers: AUTHORIZED }),
  ],
];

/** `stores` are two ways to one store, as two processes have them. */
export function revocationSuite(name: string, stores: () => readonly [Store, Store]): void {
  test.each(KINDS)(`${name}: of 200 grants at the moment of %s none survives`, async (kind, revoke) => {
    const [granting, revoking] = stores();
    const it = scene({ rules: RULES, store: granting });
    const other = scene({ ...it.engine, store: revoking });
    for (let round = 0; round < ROUNDS; round += AT_ONCE) {
      const subjects = Array.from({ length: AT_ONCE }, (_, i) => `${kind.replaceAll(' ', '-')}-${round + i}`);
      const earned = await Promise.all(
        subjects.map((subject, i) => race(it, subject, round % 20 === 0, i % 3, () => revoke(other, subject))),
      );
      it.clock.ms += 1000;
      for (const [i, body] of earned.entries()) {
        const after = await it.check({ ...body, action: 'pay' });
        expect(after.stepUp?.error?.code, subjects[i]).toBe('proof_before_revocation');
        expect(after.signals.device?.facts['device.trusted'], subjects[i]).toBe(false);
      }
    }
  });
}

/** Lets a proof earn trust while it is taken away. Answers with what the client has afterwards. */
async function race(
  it: Scene,
  subject: string,
  isKnown: boolean,
  order: number,
  revoke: () => Promise<Response>,
): Promise<object> {
  const body = { subject, session: 's-1', device: LAPTOP, step_up_token: await it.proof(subject) };
  // Half of the subjects have a baseline before, the other half begin with this.
  if (isKnown) await it.tell('login.succeeded', { subject, device: LAPTOP, session: 's-1' });
  const trust = { trusted: { kind: 'none' } as const, declared: null };
  const wire = { nowMs: it.engine.now(), trust, spaces: ['default'] };
  const ask = () => check(it.engine, checkRequestOf({ ...body, action: 'pay' }, wire));
  const revokeOnce = async (): Promise<void> => expect((await revoke()).ok).toBe(true);
  if (order === 0) {
    const [checked] = await Promise.all([ask(), revokeOnce()]);
    await checked.learn();
    return { ...body, device: { ...LAPTOP, token: checked.result.device?.token } };
  }
  const checked = await ask();
  await Promise.all(order === 1 ? [checked.learn(), revokeOnce()] : [revokeOnce(), checked.learn()]);
  return { ...body, device: { ...LAPTOP, token: checked.result.device?.token } };
}
