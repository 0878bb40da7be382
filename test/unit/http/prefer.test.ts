import { describe, expect, test } from 'vitest';
import { minimalAnswerOf } from '../../../src/http/answer.ts';
import { scene } from '../../support/scene.ts';

const TRANSFER = { subject: 'ann', action: 'payment.transfer', ip: '81.2.69.160', context: { amount: 1200 } };
const MINIMAL = { Prefer: 'return=minimal' };

describe('a caller that prefers return=minimal', () => {
  test('A caller that prefers return=minimal is answered with id, decision, score and the step-up, as in the full answer', async () => {
    const whole = await (await scene().post('/v1/risk-check', TRANSFER)).json();
    const response = await scene().post('/v1/risk-check', TRANSFER, MINIMAL);
    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe('return=minimal');
    const { id, decision, score, step_up } = whole;
    expect(await response.json()).toEqual({ id, decision, score, step_up });
    expect(decision).toBe('step-up');
  });

  test('A caller that prefers return=minimal is answered with id, decision and score alone where no step-up is asked for', async () => {
    const response = await scene().post('/v1/risk-check', { subject: 'ann', action: 'report.view' }, MINIMAL);
    expect(await response.json()).toEqual({ id: expect.any(String), decision: 'allow', score: 0 });
  });

  test('A caller that prefers return=minimal leaves the same decision record as a caller that does not', async () => {
    const recordFor = async (headers: Record<string, string>) => {
      const it = scene();
      await it.post('/v1/risk-check', TRANSFER, headers);
      await it.settled();
      const [{ request_id: _requestId, ...record } = { request_id: '' }] = it.records;
      return record;
    };
    expect(await recordFor(MINIMAL)).toEqual(await recordFor({}));
  });

  test.each(['return="minimal"', 'respond-async, return=minimal', 'Return=minimal; x=1', 'wait=10,return = minimal'])(
    'A caller that prefers return=minimal may write it as %s',
    async (prefer) => {
      const response = await scene().post('/v1/risk-check', TRANSFER, { Prefer: prefer });
      expect(response.headers.get('preference-applied')).toBe('return=minimal');
    },
  );
});

describe('any other caller', () => {
  test.each([
    'return=representation',
    'minimal',
    'xreturn=minimal',
    'return=minimally',
    'return=representation, return=minimal',
  ])('Any other caller gets the full answer (Prefer: %s)', async (prefer) => {
    const response = await scene().post('/v1/risk-check', TRANSFER, { Prefer: prefer });
    expect(response.headers.get('preference-applied')).toBeNull();
    expect(await response.json()).toHaveProperty('signals');
  });
});

test('The answer says that it depends on the preference, whatever was preferred', async () => {
  for (const headers of [{}, MINIMAL]) {
    const response = await scene().post('/v1/risk-check', TRANSFER, headers);
    expect(response.headers.get('vary')).toBe('Prefer');
  }
});

test('A device comes with the minimal answer where it has a token, which is given out once', async () => {
  const result = await scene().check({ subject: 'ann', action: 'login' });
  const device = { id: 'd-1', token: 'new', expiresAtMs: 0, invitation: null };
  expect(minimalAnswerOf({ ...result, device })).toMatchObject({ device: { id: 'd-1', token: 'new' } });
  expect(minimalAnswerOf({ ...result, device: { ...device, token: null } })).not.toHaveProperty('device');
});
