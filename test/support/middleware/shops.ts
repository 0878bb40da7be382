import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import * as forExpress from '../../../packages/sdk/src/express.ts';
import type { RequireStepUpOptions, RiskCheckOptions } from '../../../packages/sdk/src/guard.ts';
import * as forHono from '../../../packages/sdk/src/hono.ts';
import { type Listening, listen } from '../servers/listen.ts';

/** What the two shops have in common; whoever logged in stands in `X-User`. */
export interface ShopOptions {
  /** Guards `/checkout`, `/account` and `/feed`. */
  readonly risk: Omit<RiskCheckOptions<unknown>, 'action' | 'subject' | 'session' | 'context' | 'resource'>;
  /** Guards `/payout`. */
  readonly proof: Omit<RequireStepUpOptions<unknown>, 'subject' | 'session'>;
}

/** A shop that listens. */
export interface Shop extends Listening {
  /** Requests that came past the middleware. */
  readonly served: string[];
  /** What ended in the error handler of the app. */
  readonly errors: unknown[];
}

/** An order as both shops read it from the body. */
const order = z.object({ amount: z.number(), note: z.string().optional() });

export type OpenShop = (options: ShopOptions) => Promise<Shop>;

/** Opens a shop on a Hono app, served by @hono/node-server. */
export const honoShop: OpenShop = async ({ risk, proof }) => {
  const served: string[] = [];
  const errors: unknown[] = [];
  const app = new Hono<{ Variables: { user: string | null } }>();
  type C = Context<{ Variables: { user: string | null } }>;
  app.use(async (c, next) => {
    c.set('user', c.req.header('x-user') ?? null);
    await next();
  });
  app.onError((error, c) => {
    errors.push(error);
    return c.text('the shop failed', 500);
  });
  const subject = (c: C) => c.get('user');
  const session = (c: C) => c.req.header('x-session') ?? null;

  const context = async (c: C) => ({ amount: order.parse(await c.req.json()).amount });
  const checkout = forHono.riskCheck({ ...risk, action: 'checkout', subject, session, context });
  app.post('/checkout', checkout, async (c) => {
    served.push('checkout');
    const { failed, decision } = c.get('stepgate');
    return c.json({ failed, decision, order: order.parse(await c.req.json()) });
  });
  const account = forHono.riskCheck({ ...risk, action: (c: C) => c.req.path.slice(1), subject, session });
  app.get('/account', account, (c) => {
    served.push('account');
    return new Response(`account of ${c.get('user')}`, { headers: { 'Set-Cookie': 'theme=dark' } });
  });
  app.get('/feed', forHono.riskCheck({ ...risk, action: 'feed', subject }), (_c) => {
    served.push('feed');
    const parts = ['one ', 'two ', 'three'];
    return new Response(
      new ReadableStream({
        pull(controller) {
          const part = parts.shift();
          if (part === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(part));
        },
      }),
    );
  });
  app.post('/payout', forHono.requireStepUp({ ...proof, subject, session }), async (c) => {
    served.push('payout');
    return c.json({ proof: c.get('stepUp'), body: await c.req.json() });
  });

  return { served, errors, ...(await listen(createServer(getRequestListener(app.fetch)))) };
};

/** Opens the same shop on Express 5. */
export const expressShop: OpenShop = async ({ risk, proof }) => {
  const served: string[] = [];
  const errors: unknown[] = [];
  const app = express();
  app.use(express.json());
  const subject = (req: express.Request) => req.get('x-user') ?? null;
  const session = (req: express.Request) => req.get('x-session') ?? null;

  const context = (req: express.Request) => ({ amount: order.parse(req.body).amount });
  app.post(
    '/checkout',
    forExpress.riskCheck({ ...risk, action: 'checkout', subject, session, context }),
    (req, res) => {
      served.push('checkout');
      const { failed, decision } = forExpress.decisionOf(res);
      res.json({ failed, decision, order: order.parse(req.body) });
    },
  );
  const account = forExpress.riskCheck({ ...risk, action: (req) => req.path.slice(1), subject, session });
  app.get('/account', account, (req, res) => {
    served.push('account');
    res.append('Set-Cookie', 'theme=dark').send(`account of ${req.get('x-user')}`);
  });
  app.get('/feed', forExpress.riskCheck({ ...risk, action: 'feed', subject }), (_req, res) => {
    served.push('feed');
    for (const part of ['one ', 'two ', 'three']) res.write(part);
    res.end();
  });
  app.post('/payout', forExpress.requireStepUp({ ...proof, subject, session }), (req, res) => {
    served.push('payout');
    res.json({ proof: forExpress.proofOf(res), body: req.body });
  });
  app.use((error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    errors.push(error);
    res.status(500).send('the shop failed');
  });

  return { served, errors, ...(await listen(createServer(app))) };
};
