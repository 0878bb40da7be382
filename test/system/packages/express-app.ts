import { createStepgateClient, StepgateError } from '@stepgate/sdk';
import { decisionOf, proofOf, proofsByStepgate, requireStepUp, riskCheck } from '@stepgate/sdk/express';
import express from 'express';
import { answer } from './answers.ts';

/** An Express application as it stands in a project of its own: compiled and run against several versions. */
const client = createStepgateClient({ url: 'https://stepgate.internal', key: 'secret', fetch: answer });
const subject = (req: express.Request): string | null => req.get('x-user') ?? null;
const app = express();
app.use(express.json());
app.use('/account', riskCheck({ client, action: 'account', subject }));
app.post(
  '/checkout/:id',
  riskCheck({ client, action: 'checkout', subject, context: (req) => ({ amount: Number(req.body?.amount ?? 1) }) }),
  (req, res) => {
    const id: string = req.params.id;
    res.json({ score: 0, id, user: subject(req), decision: decisionOf(res).decision });
  },
);
app.post(
  '/payout',
  requireStepUp({ proofs: proofsByStepgate(client), subject: () => 'ann', maxAgeSeconds: 60 }),
  (_req, res) => {
    const acr: string | null = proofOf(res).acr;
    res.json({ acr });
  },
);
app.use((error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
  res.status(500).send(error instanceof StepgateError ? error.code : 'unknown');
});

// @ts-expect-error whose proof it must be cannot be forgotten
const forgotten = (): unknown => requireStepUp({ proofs: proofsByStepgate(client) });
void forgotten;

const outcomes: unknown[] = [];
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const address = server.address();
const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
for (const [path, user] of [
  ['/checkout/7', 'ann'],
  ['/checkout/7', 'bob'],
  ['/checkout/7', 'mallory'],
  ['/payout', 'ann'],
] as const) {
  const response = await fetch(`${origin}${path}`, { method: 'POST', headers: { 'X-User': user } });
  outcomes.push([response.status, response.headers.get('www-authenticate'), (await response.text()).slice(0, 60)]);
}
console.log(JSON.stringify(outcomes));
server.closeAllConnections();
server.close();
