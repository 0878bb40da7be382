import { createStepgateClient, type RiskCheck, StepgateError } from '@stepgate/sdk';
import { proofsByStepgate, requireStepUp, riskCheck } from '@stepgate/sdk/hono';
import { Hono } from 'hono';
import { answer } from './answers.ts';

/** A Hono application as it stands in a project of its own: compiled and run against several versions. */
interface AppEnv {
  Variables: { user: { id: string } };
}

const client = createStepgateClient({ url: 'https://stepgate.internal', key: 'secret', fetch: answer });
const resource: RiskCheck['resource'] = { type: 'order' };
const app = new Hono<AppEnv>();
app.onError((error, c) => c.text(error instanceof StepgateError ? error.code : 'unknown', 500));
app.use(async (c, next) => {
  c.set('user', { id: c.req.header('x-user') ?? 'nobody' });
  await next();
});
const checkout = riskCheck<AppEnv>({
  client,
  action: 'checkout',
  subject: (c) => c.get('user').id,
  resource: () => resource,
});
app.post('/checkout/:id', checkout, (c) => {
  const decision = c.get('stepgate');
  const score: number | null = decision.failed ? null : decision.score;
  const id: string = c.req.param('id');
  return c.json({ score, id, user: c.get('user').id });
});
app.post('/payout', requireStepUp({ proofs: proofsByStepgate(client), subject: () => 'ann', singleUse: true }), (c) => {
  const acr: string | null = c.get('stepUp').acr;
  return c.json({ acr });
});

// @ts-expect-error whose proof it must be cannot be forgotten
const forgotten = (): unknown => requireStepUp({ proofs: proofsByStepgate(client) });
// @ts-expect-error nor who asks
const anonymous = (): unknown => riskCheck({ client, action: 'checkout' });
const unscored = (): unknown =>
  // @ts-expect-error a decision that came about without an answer has no score
  app.get('/', riskCheck({ client, action: 'x', subject: () => null }), (c) => c.json(c.get('stepgate').score));
void [forgotten, anonymous, unscored];

const outcomes: unknown[] = [];
for (const [path, user] of [
  ['/checkout/7', 'ann'],
  ['/checkout/7', 'bob'],
  ['/checkout/7', 'mallory'],
  ['/payout', 'ann'],
] as const) {
  const response = await app.request(path, { method: 'POST', headers: { 'X-User': user } });
  outcomes.push([response.status, response.headers.get('www-authenticate'), (await response.text()).slice(0, 60)]);
}
console.log(JSON.stringify(outcomes));
