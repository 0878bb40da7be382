import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { type Context, Hono } from 'hono';
import { csrf } from 'hono/csrf';
import type { Provider } from 'oidc-provider';
import { z } from 'zod';
import { type Assets, assetRoutes } from '../assets.ts';
import { pageHeaders } from '../page-headers.ts';
import { themeOf } from '../theme.ts';
import type { Account, Accounts } from './accounts.ts';
import { classAsked, classReached, PASSKEY, PASSWORD, rankOf } from './classes.ts';
import { codePage, enrolPage, factorPage, type Page, passwordPage, trustedHtml } from './pages.ts';

type Env = { readonly Bindings: HttpBindings };

export interface SignInOptions {
  readonly provider: Provider;
  readonly issuer: string;
  readonly accounts: Accounts;
  readonly assets: Assets;
  /** Origin of the shop, to which the last form of a log-in redirects. */
  readonly shopOrigin: string;
  /** Sends a one-time code, in the demo by e-mail. */
  readonly sendCode: (account: Account, code: string) => void;
  /** Called for each wrong password or code, for Stepgate's `login.failed` and `step_up.failed`. */
  readonly onFailed: (failure: Failure) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** A wrong password or code. */
export interface Failure {
  /** Null if there is no account with the name. */
  readonly account: Account | null;
  readonly step: 'password' | 'code';
  /** `X-Forwarded-For`, as the proxy in front of the provider set it. */
  readonly forwardedFor: string | null;
}

/** One log-in or step-up under way. */
interface Attempt {
  readonly startedMs: number;
  accountId: string | null;
  readonly methods: Set<string>;
  wrongPasswords: number;
  code: { readonly hash: Buffer; readonly expiresMs: number; wrong: number } | null;
  /** Challenge of the current WebAuthn ceremony, used once. */
  challenge: string | null;
  offersPasskey: boolean;
  problem: string | null;
}

const ATTEMPT_LIFE_MS = 3_600_000;
const MAX_ATTEMPTS = 10_000;
const CODE_LIFE_MS = 300_000;
/** NIST SP 800-63B, section 3.2.2, lets a hundred through; a six-digit code needs far fewer. */
const MAX_WRONG_CODES = 5;
const MAX_WRONG_PASSWORDS = 5;

/** The pages on which people log in and step up: password, passkey, one-time code. Every form works without a script. */
export function signInApp(options: SignInOptions): Hono<Env> {
  const { provider, issuer, accounts, assets, shopOrigin, sendCode, onFailed, now } = options;
  const rpID = new URL(issuer).hostname;
  const attempts = new Map<string, Attempt>();
  const app = new Hono<Env>();

  app.use(pageHeaders([shopOrigin]));
  app.use(csrf({ origin: issuer }));
  app.route('/', assetRoutes(assets));

  app.get('/sign-in/:uid', async (c) => {
    const { attempt, account, wanted, needsPassword, client } = await begun(c);
    const problem = attempt.problem;
    attempt.problem = null;
    const page: Page = { action: c.req.path, problem, theme: themeOf(c), name: account?.name ?? null, client };
    c.header('Cache-Control', 'no-store');
    if (needsPassword) return c.html(passwordPage(page));
    if (account === null) throw new Error('a log-in that needs no password has an account');
    if (attempt.offersPasskey) return c.html(enrolPage(page));
    if (attempt.code !== null) return c.html(codePage(page, account.email));
    return c.html(
      factorPage(page, {
        hasPasskey: account.passkeys.size > 0,
        onlyPasskey: wanted === PASSKEY && account.passkeys.size > 0,
      }),
    );
  });

  app.post('/sign-in/:uid/password', async (c) => {
    const { attempt } = await begun(c);
    const form = await c.req.formData();
    if (attempt.wrongPasswords >= MAX_WRONG_PASSWORDS) {
      return again(c, attempt, 'Too many tries. Go back to the shop and begin again.');
    }
    const userName = textOf(form, 'user_name');
    const account = await accounts.withPassword(userName, textOf(form, 'password'));
    if (account === null) {
      attempt.wrongPasswords += 1;
      onFailed({ account: accounts.byName(userName), step: 'password', forwardedFor: forwardedFor(c) });
      return again(c, attempt, 'This name and password do not belong together.');
    }
    attempt.accountId = account.id;
    attempt.methods.add('pwd');
    return onward(c);
  });

  app.post('/sign-in/:uid/code/send', async (c) => {
    const { attempt, account } = await secondFactor(c);
    const code = String(randomInt(1_000_000)).padStart(6, '0');
    attempt.code = { hash: hashOf(code), expiresMs: now() + CODE_LIFE_MS, wrong: 0 };
    sendCode(account, code);
    return again(c, attempt, null);
  });

  app.post('/sign-in/:uid/code', async (c) => {
    const { attempt, account } = await secondFactor(c);
    const form = await c.req.formData();
    const { code } = attempt;
    if (code === null || now() > code.expiresMs || code.wrong >= MAX_WRONG_CODES) {
      attempt.code = null;
      return again(c, attempt, 'This code is no longer valid. Ask for a new one.');
    }
    if (!timingSafeEqual(hashOf(textOf(form, 'code').replaceAll(/\s/g, '')), code.hash)) {
      code.wrong += 1;
      onFailed({ account, step: 'code', forwardedFor: forwardedFor(c) });
      return again(c, attempt, 'That is not the code that was sent.');
    }
    attempt.code = null;
    attempt.methods.add('otp');
    // Not earlier: a thief with the password alone must not be able to add a passkey.
    attempt.offersPasskey = account.passkeys.size === 0;
    return onward(c);
  });

  app.post('/sign-in/:uid/passkey/options', async (c) => {
    const { attempt, account } = await secondFactor(c);
    const passkeys = [...account.passkeys.keys()].map((id) => ({ id }));
    const request = await generateAuthenticationOptions({
      rpID,
      userVerification: 'required',
      allowCredentials: passkeys,
    });
    attempt.challenge = request.challenge;
    return c.json(request);
  });

  app.post('/sign-in/:uid/passkey', async (c) => {
    const { attempt, account } = await secondFactor(c);
    const expectedChallenge = takeChallenge(attempt);
    const response = authentication.parse(await c.req.json());
    const credential = account.passkeys.get(response.id);
    if (credential === undefined || expectedChallenge === null) return refused(c, 'This passkey is not known here.');
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: response as AuthenticationResponseJSON,
      expectedChallenge,
      expectedOrigin: issuer,
      expectedRPID: rpID,
      credential,
      requireUserVerification: true,
    });
    if (!verified) return refused(c, 'This passkey could not be verified.');
    credential.counter = authenticationInfo.newCounter;
    // A passkey that is synchronised to other devices counts as a software key (RFC 8176).
    attempt.methods.add(authenticationInfo.credentialDeviceType === 'singleDevice' ? 'hwk' : 'swk').add('user');
    return c.json({ next: await nextOf(c) });
  });

  app.post('/sign-in/:uid/enrol/options', async (c) => {
    const { attempt, account } = await enrolling(c);
    const request = await generateRegistrationOptions({
      rpName: 'Kettle & Leaf',
      rpID,
      userName: account.userName,
      userDisplayName: account.name,
      userID: new TextEncoder().encode(account.id),
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    });
    attempt.challenge = request.challenge;
    return c.json(request);
  });

  app.post('/sign-in/:uid/enrol', async (c) => {
    const { attempt, account } = await enrolling(c);
    const expectedChallenge = takeChallenge(attempt);
    if (expectedChallenge === null) return refused(c, 'Begin again: the passkey was not asked for.');
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: registration.parse(await c.req.json()) as RegistrationResponseJSON,
      expectedChallenge,
      expectedOrigin: issuer,
      expectedRPID: rpID,
      requireUserVerification: true,
    });
    if (!verified) return refused(c, 'This passkey could not be verified.');
    account.passkeys.set(registrationInfo.credential.id, registrationInfo.credential);
    attempt.offersPasskey = false;
    return c.json({ next: await nextOf(c) });
  });

  app.post('/sign-in/:uid/enrol/skip', async (c) => {
    const { attempt } = await enrolling(c);
    attempt.offersPasskey = false;
    return onward(c);
  });

  app.post('/sign-in/:uid/cancel', async (c) => {
    const { uid } = await begun(c);
    attempts.delete(uid);
    return c.redirect(
      await finish(c, { error: 'access_denied', error_description: 'the person went back to the shop' }),
      303,
    );
  });

  app.onError((error, c) => {
    if (error instanceof z.ZodError) return refused(c, 'This is not what a passkey answers.');
    // Thrown if the interaction cookie is missing or belongs to another one.
    if (error.name === 'SessionNotFound') {
      return c.html(
        trustedHtml('This log-in is over', 'Go back to the shop and begin again.', shopOrigin, themeOf(c)),
        400,
      );
    }
    console.error(error);
    return c.html(trustedHtml('Something failed here', 'Try again in a moment.', shopOrigin, themeOf(c)), 500);
  });

  /** The log-in that this request belongs to, by the provider's own cookie. */
  async function begun(c: Context<Env>) {
    const { uid, params, session } = await provider.interactionDetails(c.env.incoming, c.env.outgoing);
    if (uid !== c.req.param('uid')) throw Object.assign(new Error('another log-in'), { name: 'SessionNotFound' });
    forgetOld();
    const attempt = attempts.get(uid) ?? newAttempt(now());
    attempts.set(uid, attempt);
    const wanted = classAsked(params.acr_values);
    // The session says who steps up, and replaces the password. A second factor is never taken from the session, so that a step-up
    // with `prompt=login` or `max_age=0` gets a fresh code or passkey. If only the password is required, it is asked for again.
    const resumes = session !== undefined && wanted !== PASSWORD;
    if (attempt.accountId === null && resumes) {
      attempt.accountId = session.accountId;
      if (session.amr?.includes('pwd') === true) attempt.methods.add('pwd');
    }
    const account = attempt.accountId === null ? null : accounts.byId(attempt.accountId);
    return { uid, attempt, wanted, account, needsPassword: account === null, client: 'Kettle & Leaf' };
  }

  /** As `begun`, for the steps after the password. */
  async function secondFactor(c: Context<Env>) {
    const begin = await begun(c);
    const { account } = begin;
    if (account === null) throw Object.assign(new Error('no password yet'), { name: 'SessionNotFound' });
    return { ...begin, account };
  }

  async function enrolling(c: Context<Env>) {
    const begin = await secondFactor(c);
    if (!begin.attempt.offersPasskey || !begin.attempt.methods.has('otp')) {
      throw Object.assign(new Error('nothing to enrol'), { name: 'SessionNotFound' });
    }
    return begin;
  }

  /** The next page, or back to the client once the class is reached. */
  async function nextOf(c: Context<Env>): Promise<string> {
    const { uid, attempt, account, wanted } = await begun(c);
    const page = `/sign-in/${uid}`;
    const acr = classReached(attempt.methods);
    if (account === null || acr === null || attempt.offersPasskey || rankOf(acr) < rankOf(wanted)) return page;
    attempts.delete(uid);
    return finish(c, { login: { accountId: account.id, acr, amr: [...attempt.methods] } });
  }

  function finish(c: Context<Env>, result: object): Promise<string> {
    return provider.interactionResult(c.env.incoming, c.env.outgoing, result);
  }

  async function onward(c: Context<Env>): Promise<Response> {
    return c.redirect(await nextOf(c), 303);
  }

  function again(c: Context<Env>, attempt: Attempt, problem: string | null): Response {
    attempt.problem = problem;
    return c.redirect(`/sign-in/${c.req.param('uid')}`, 303);
  }

  function forgetOld(): void {
    for (const [uid, { startedMs }] of attempts) {
      if (startedMs > now() - ATTEMPT_LIFE_MS && attempts.size < MAX_ATTEMPTS) break;
      attempts.delete(uid);
    }
  }

  return app;
}

function newAttempt(startedMs: number): Attempt {
  return {
    startedMs,
    accountId: null,
    methods: new Set(),
    wrongPasswords: 0,
    code: null,
    challenge: null,
    offersPasskey: false,
    problem: null,
  };
}

function takeChallenge(attempt: Attempt): string | null {
  const { challenge } = attempt;
  attempt.challenge = null;
  return challenge;
}

function refused(c: Context, message: string): Response {
  return c.json({ message }, 400);
}

function forwardedFor(c: Context): string | null {
  return c.req.header('x-forwarded-for') ?? null;
}

function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.slice(0, 256) : '';
}

function hashOf(code: string): Buffer {
  return createHash('sha256').update(code).digest();
}

/** Checks the shape only; the library verifies the ceremony. */
const ceremony = {
  id: z.string(),
  rawId: z.string(),
  type: z.literal('public-key'),
  authenticatorAttachment: z.string().optional(),
  clientExtensionResults: z.looseObject({}),
};
const authentication = z.object({
  ...ceremony,
  response: z.object({
    clientDataJSON: z.string(),
    authenticatorData: z.string(),
    signature: z.string(),
    userHandle: z.string().optional(),
  }),
});
const registration = z.object({
  ...ceremony,
  response: z.looseObject({ clientDataJSON: z.string(), attestationObject: z.string() }),
});
