import type { SendRequest } from '@stepgate/sdk';

const STEP_UP = {
  acr_values: [],
  amr_values: [],
  max_age: 600,
  single_use: false,
  www_authenticate: 'Bearer error="insufficient_user_authentication", max_age="600"',
};

/** Stands in for Stepgate: lets `ann` pass, asks everybody else to step up, and breaks for `mallory`. */
export const answer: SendRequest = async (request) => {
  const asked = (await request.json()) as { readonly subject: string | null; readonly token?: string };
  if (asked.subject === 'mallory') return Response.json({ code: 'unauthorized' }, { status: 401 });
  if (request.url.endsWith('/verify')) {
    return Response.json({ valid: false, code: 'token_missing', message: 'none came', step_up: STEP_UP });
  }
  const decision = asked.subject === 'ann' ? 'allow' : 'step-up';
  return Response.json({
    id: '01K9Z8M3T6Q4W2N7V5B1C0D9EF',
    decision,
    score: 0,
    level: 'low',
    reasons: [],
    rule: null,
    ...(decision === 'step-up' && { step_up: { required: true, satisfied: false, ...STEP_UP } }),
    signals: {},
    degraded: [],
    dry_run: { decision, rules: [] },
    rules_revision: 'r1',
    latency_ms: 1,
  });
};
