import { randomBytes } from 'node:crypto';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { setCookie } from 'hono/cookie';
import { csrf } from 'hono/csrf';
import { z } from 'zod';
import { type Assets, assetRoutes } from '../assets.ts';
import { pageHeaders } from '../page-headers.ts';
import { THEME_COOKIE, themeOf } from '../theme.ts';
import { productOf } from './catalogue.ts';
import type { Customers } from './customers.ts';
import { type AuthorizationRequest, type LogIn, type OpenIdClient, OpenIdError } from './openid-client.ts';
import {
  accountPage,
  adminPage,
  basketPage,
  cataloguePage,
  checkoutPage,
  confirmPage,
  deniedPage,
  devicesPage,
  framed,
  type Html,
  orderPage,
  plainPage,
  productPage,
} from './pages.ts';
import type { About, Protection } from './protection.ts';
import { returnPath } from './return-path.ts';
import { type Draft, type Errand, keepNewest, type Sessions, type ShopEnv } from './session.ts';
import type { ShopStepgate } from './stepgate.ts';

export interface ShopOptions {
  /** Public origin of the shop. */
  readonly origin: string;
  /** Of the OpenID provider, where forms that start a log-in lead. */
  readonly issuer: string;
  readonly openId: OpenIdClient;
  readonly sessions: Sessions;
  readonly customers: Customers;
  readonly assets: Assets;
  readonly protection: Protection;
  readonly stepgate: ShopStepgate;
  /**
   * Cookie for the access token of the log-in, from which a gateway knows the user. Null keeps the token out of the browser.
   */
  readonly tokenCookie: string | null;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Cookie from which Stepgate's middleware and gateway hooks read the proof of a step-up. */
const PROOF_COOKIE = '__Host-stepgate-su';
const MAX_PIECES = 99;

/** Body of a refused check. */
const demand = z.object({ acr_values: z.array(z.string()), max_age: z.number() });

/** The shop: server-rendered pages, forms that work without a script, and three guarded actions. */
export function shopApp(options: ShopOptions): Hono<ShopEnv> {
  const { origin, issuer, openId, sessions, customers, assets, protection, stepgate, tokenCookie, now } = options;
  const app = new Hono<ShopEnv>();

  app.use(pageHeaders([issuer]));
  app.use(csrf({ origin }));
  app.route('/', assetRoutes(assets));
  app.use(sessions.attach);
  // The back button must not restore an ordered basket.
  app.use(async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
  });

  app.get('/', protection.watch('catalogue.browse'), (c) => page(c, 'Tea and what it takes', cataloguePage()));

  app.get('/products/:id', protection.watch('catalogue.browse'), (c) => {
    const product = productOf(c.req.param('id'));
    return product === null ? notFound(c) : page(c, product.name, productPage(product));
  });

  app.get('/basket', protection.watch('catalogue.browse'), (c) =>
    page(c, 'Your basket', basketPage(c.var.session.basket, c.var.session.user)),
  );

  app.post('/basket/add', async (c) => {
    const { basket } = c.var.session;
    const { product } = await fields(c, { product: z.string() });
    if (productOf(product) === null) return notFound(c);
    basket.set(product, Math.min(MAX_PIECES, (basket.get(product) ?? 0) + 1));
    return c.redirect('/basket', 303);
  });

  app.post('/basket/set', async (c) => {
    const { basket } = c.var.session;
    const { product, pieces } = await fields(c, {
      product: z.string(),
      pieces: z.coerce.number().int().min(0).max(MAX_PIECES),
    });
    if (pieces === 0) basket.delete(product);
    else if (basket.has(product)) basket.set(product, pieces);
    return c.redirect('/basket', 303);
  });

  app.post('/checkout', loggedIn, (c) => {
    const { session } = c.var;
    const lines = [...session.basket].flatMap(([id, pieces]) => {
      const product = productOf(id);
      return product === null ? [] : [{ product: id, pieces, price: product.price }];
    });
    if (lines.length === 0) return c.redirect('/basket', 303);
    const total = lines.reduce((sum, { price, pieces }) => sum + price * pieces, 0);
    const draft: Draft = { id: randomBytes(9).toString('base64url'), lines, total, order: null };
    session.drafts.set(draft.id, draft);
    keepNewest(session.drafts);
    return c.redirect(`/checkout/${draft.id}`, 303);
  });

  app.get('/checkout/:draft', loggedIn, protection.watch('account.view'), (c) => {
    const draft = draftOf(c);
    if (draft === null) return notFound(c);
    if (draft.order !== null) return c.redirect(`/orders/${draft.order}`, 303);
    return page(c, 'Check your order', checkoutPage(draft, { resumes: takeResume(c) }));
  });

  app.post(
    '/checkout/:draft',
    loggedIn,
    // Before the check: a form that is sent twice orders once.
    async (c, next) => {
      const draft = draftOf(c);
      if (draft === null) return notFound(c);
      if (draft.order !== null) return done(c, `/orders/${draft.order}`);
      return next();
    },
    guarded('checkout.place', { about: (c) => ({ amount: (draftOf(c)?.total ?? 0) / 100 }) }),
    (c) => {
      const { user, basket } = c.var.session;
      const draft = draftOf(c);
      if (draft === null || user === null) return notFound(c);
      // Again, since another request may have ordered meanwhile; nothing below waits.
      if (draft.order === null) {
        draft.order = customers.order(user.subject, draft, now()).number;
        for (const { product, pieces } of draft.lines) {
          const left = (basket.get(product) ?? 0) - pieces;
          if (left > 0) basket.set(product, left);
          else basket.delete(product);
        }
      }
      return done(c, `/orders/${draft.order}`);
    },
  );

  app.get('/orders/:number', loggedIn, protection.watch('account.view'), (c) => {
    const order = customers.orderOf(c.req.param('number'));
    return order === null || order.customer !== c.var.session.user?.subject
      ? notFound(c)
      : page(c, 'Ordered', orderPage(order));
  });

  app.get('/account', loggedIn, protection.watch('account.view'), (c) => {
    const { user } = c.var.session;
    if (user === null) return notFound(c);
    const { email } = customers.of(user.subject);
    const orders = customers.ordersOf(user.subject);
    return page(c, 'Your account', accountPage({ name: user.name, email, resumes: takeResume(c), orders }));
  });

  app.post('/account/email', loggedIn, guarded('email.change', { page: '/account' }), async (c) => {
    const { session } = c.var;
    const { email } = await fields(c, { email: z.email().max(254) });
    if (session.user !== null) customers.changeEmail(session.user.subject, email);
    session.notice = { kind: 'good', text: `Messages go to ${email} from now on.` };
    return done(c, '/account');
  });

  app.get('/account/devices', loggedIn, protection.watch('account.view'), async (c) => {
    const { user } = c.var.session;
    if (user === null) return notFound(c);
    return page(c, 'Your devices', devicesPage(await stepgate.devices(c, user.subject)));
  });

  app.post('/account/devices/:device/remove', loggedIn, async (c) => {
    const { session } = c.var;
    if (session.user !== null) await stepgate.removeDevice(session.user.subject, c.req.param('device'));
    session.notice = { kind: 'good', text: 'This device is no longer trusted.' };
    return c.redirect('/account/devices', 303);
  });

  app.get('/admin/orders', loggedIn, onlyAdministrators, guarded('admin.orders'), (c) =>
    page(
      c,
      'All orders',
      adminPage(customers.allOrders(), (subject) => customers.of(subject).email),
    ),
  );

  app.get('/log-in', async (c) =>
    setOut(c, { purpose: 'log-in', returnTo: returnPath(c.req.query('return_to'), origin) }, { anew: true }),
  );

  app.post('/log-out', (c) => {
    sessions.end(c);
    for (const name of tokenCookie === null ? [PROOF_COOKIE] : [PROOF_COOKIE, tokenCookie]) keepToken(c, name, '', 0);
    return c.redirect('/', 303);
  });

  // Target of the redirect by middleware or gateway, for pages and forms without the script.
  app.get('/confirm', loggedIn, (c) =>
    page(
      c,
      'Confirm that it is you',
      confirmPage({
        acrValues: c.req.query('acr_values') ?? '',
        maxAge: c.req.query('max_age') ?? '',
        returnTo: returnPath(c.req.query('return_to'), origin),
      }),
    ),
  );

  // A form and not a link, so that no other site can start a step-up that completes an order.
  app.post('/step-up', loggedIn, async (c) => {
    const asked = await fields(c, {
      acr_values: z.string().max(512),
      // Empty if the challenge names none.
      max_age: z.union([z.literal('').transform(() => undefined), z.coerce.number().int().min(0).max(86_400)]),
      return_to: z.string(),
    });
    const acrValues = asked.acr_values.split(' ').filter((acr) => acr !== '');
    return setOut(
      c,
      { purpose: 'step-up', returnTo: returnPath(asked.return_to, origin) },
      { acrValues, ...(asked.max_age !== undefined && { maxAge: asked.max_age }) },
    );
  });

  app.get('/callback', async (c) => {
    const { session } = c.var;
    const answer = new URL(c.req.url).searchParams;
    const errand = session.errands.get(answer.get('state') ?? '');
    if (errand === undefined) {
      session.notice = { kind: 'bad', text: 'This log-in was already used, or is too old. Begin again.' };
      return c.redirect('/', 303);
    }
    session.errands.delete(errand.transaction.state);
    let logIn: LogIn;
    try {
      logIn = await openId.finish(answer, errand.transaction);
    } catch (error) {
      if (!(error instanceof OpenIdError)) throw error;
      return turnedBack(c, errand, error);
    }
    return errand.purpose === 'log-in' ? welcome(c, errand, logIn) : confirmed(c, errand, logIn);
  });

  app.post('/theme', async (c) => {
    const { theme, return_to } = await fields(c, { theme: z.enum(['light', 'dark', '']), return_to: z.string() });
    setCookie(c, THEME_COOKIE, theme, { path: '/', sameSite: 'Lax', maxAge: theme === '' ? 0 : 31_536_000 });
    return c.redirect(returnPath(return_to, origin), 303);
  });

  app.notFound((c) => notFound(c));
  app.onError((error, c) => {
    if (error instanceof z.ZodError) {
      return c.json({ error: 'invalid_form', message: 'Something in this form is not as it should be.' }, 400);
    }
    if ('getResponse' in error && typeof error.getResponse === 'function') return error.getResponse();
    console.error(error);
    return page(c, 'Something failed', plainPage('Something failed here', 'Try again in a moment.'), 500);
  });

  /** Refusals are JSON for the script, and a page for a browser without it. */
  function guarded(
    action: string,
    { about, page: ownPage }: { readonly about?: (c: Context<ShopEnv>) => About; readonly page?: string } = {},
  ): MiddlewareHandler<ShopEnv> {
    const check = protection.require(action, about);
    return async (c, next) => {
      const refusal = await check(c, next);
      if (!(refusal instanceof Response) || prefersJson(c)) return refusal;
      if (refusal.status === 403) return page(c, 'Not now', deniedPage(), 403);
      if (refusal.status !== 401) return refusal;
      const { acr_values, max_age } = demand.parse(await refusal.json());
      const asked = new URLSearchParams({
        acr_values: acr_values.join(' '),
        max_age: String(max_age),
        // The page that holds the form, where it is not the form's own address.
        return_to: ownPage ?? c.req.path,
      });
      return c.redirect(`/confirm?${asked}`, 303);
    };
  }

  function page(
    c: Context<ShopEnv>,
    title: string,
    body: Html,
    status: 200 | 403 | 404 | 500 = 200,
  ): Response | Promise<Response> {
    const { session } = c.var;
    const { notice, user } = session;
    session.notice = null;
    const pieces = [...session.basket.values()].reduce((sum, count) => sum + count, 0);
    return c.html(framed({ path: c.req.path, theme: themeOf(c), user, pieces, notice }, title, body), status);
  }

  function notFound(c: Context<ShopEnv>): Response | Promise<Response> {
    return page(c, 'Not found', plainPage('There is nothing here', 'Perhaps it was ordered by somebody else.'), 404);
  }

  /** Sends the browser to the provider, and keeps in the session what for. */
  async function setOut(
    c: Context<ShopEnv>,
    errand: Pick<Errand, 'purpose' | 'returnTo'>,
    request: AuthorizationRequest,
  ): Promise<Response> {
    const { location, transaction } = await openId.begin(request);
    const { errands } = c.var.session;
    errands.set(transaction.state, { ...errand, transaction });
    keepNewest(errands);
    return c.redirect(location, 303);
  }

  async function welcome(c: Context<ShopEnv>, { returnTo }: Errand, logIn: LogIn): Promise<Response> {
    const { subject, name, email, isAdministrator } = logIn;
    const { session } = c.var;
    const isSomebodyElse = session.user !== null && session.user.subject !== subject;
    sessions.renew(c);
    customers.meet(subject, email);
    c.var.session.user = { subject, name, isAdministrator };
    if (isSomebodyElse) c.var.session.drafts.clear();
    if (tokenCookie !== null) keepToken(c, tokenCookie, logIn.accessToken, (logIn.expiresMs - now()) / 1000);
    await stepgate.loggedIn(c, subject);
    return c.redirect(returnTo, 303);
  }

  function confirmed(c: Context<ShopEnv>, { returnTo }: Errand, logIn: LogIn): Response {
    const { session } = c.var;
    // The provider may have another user's session; Stepgate would refuse that proof too.
    if (session.user?.subject !== logIn.subject) {
      session.notice = { kind: 'bad', text: `You confirmed as ${logIn.name}, who is not logged in here.` };
      return c.redirect('/account', 303);
    }
    keepToken(c, PROOF_COOKIE, logIn.accessToken, (logIn.expiresMs - now()) / 1000);
    session.resume = returnTo;
    return c.redirect(returnTo, 303);
  }

  function turnedBack(c: Context<ShopEnv>, { purpose, returnTo }: Errand, error: OpenIdError): Response {
    const isCancelled = error.code === 'access_denied';
    if (!isCancelled) console.error(error);
    const { session } = c.var;
    session.notice = {
      kind: 'bad',
      text: isCancelled
        ? 'You did not confirm, so nothing was ordered or changed.'
        : 'The confirmation did not work. Nothing was ordered or changed; try again.',
    };
    // A page that needs a step-up would only ask again.
    const isGuardedPage = returnTo.startsWith('/admin');
    return c.redirect(isGuardedPage || purpose === 'log-in' ? '/' : returnTo, 303);
  }

  return app;
}

const loggedIn: MiddlewareHandler<ShopEnv> = async (c, next) => {
  if (c.var.session.user !== null) return next();
  if (prefersJson(c)) return c.json({ error: 'logged_out' }, 403);
  const returnTo = c.req.method === 'GET' ? c.req.path : '/basket';
  return c.redirect(`/log-in?return_to=${encodeURIComponent(returnTo)}`, 303);
};

const onlyAdministrators: MiddlewareHandler<ShopEnv> = async (c, next) => {
  // Authorisation is the shop's business. Stepgate only confirms the user.
  if (c.var.session.user?.isAdministrator === true) return next();
  return c.redirect('/account', 303);
};

/** The script accepts JSON; links and forms sent by the browser need a page. */
function prefersJson(c: Context): boolean {
  return c.req.header('accept')?.startsWith('application/json') === true;
}

function done(c: Context, location: string): Response {
  return prefersJson(c) ? c.json({ location }) : c.redirect(location, 303);
}

function draftOf(c: Context<ShopEnv>): Draft | null {
  return c.var.session.drafts.get(c.req.param('draft') ?? '') ?? null;
}

/** Whether the form of this page is submitted automatically: once, after a step-up that started from it. */
function takeResume(c: Context<ShopEnv>): boolean {
  const { session } = c.var;
  const resumes = session.resume === c.req.path;
  if (resumes) session.resume = null;
  return resumes;
}

async function fields<S extends z.ZodRawShape>(c: Context, shape: S) {
  return z.object(shape).parse(Object.fromEntries(await c.req.formData()));
}

/** Not readable by scripts; lives as long as the token. */
function keepToken(c: Context, name: string, token: string, maxAge: number): void {
  setCookie(c, name, token, {
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: 'Lax',
    maxAge: Math.max(0, Math.floor(maxAge)),
  });
}
