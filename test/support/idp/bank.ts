import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import { RETRY_MS } from '../../../src/step-up/keys.ts';
import { post, type Workshop } from '../servers/stepgate.ts';
import { until } from '../until.ts';
import { API, CLASSES, type IdentityProvider, identityProvider, LOA2 } from './provider.ts';
import { type UserAgent, userAgent } from './user-agent.ts';

/** Greatest age of the step-up that a transfer asks for, in seconds. */
export const MAX_AGE = 300;

const RULES = {
  version: 1,
  actions: {
    'payment.transfer': { routes: ['POST /api/transfers', '* /transfers/*'] },
    'payout.approve': { routes: ['POST /api/payouts', '* /payouts'] },
    'device.remember': { trust: { days: 30, on_step_up: true } },
    'address.change': {},
  },
  trust: { days: 30, on_step_up: false },
  rules: [
    stepUp('transfer', 'payment.transfer', { acr_values: [LOA2], max_age: MAX_AGE }),
    stepUp('payout', 'payout.approve', { acr_values: [LOA2], max_age: MAX_AGE, single_use: true }),
    stepUp('remember', 'device.remember', { acr_values: [LOA2], max_age: MAX_AGE }),
    stepUp('address', 'address.change', { max_age: 3600 }),
  ],
};

function stepUp(id: string, action: string, requirement: object): object {
  return { id, when: { action }, then: { decision: 'step-up', ...requirement, reason: `${id}_guarded` } };
}

/** What the tests read of an answer to `POST /v1/risk-check`. */
export interface Answer {
  readonly decision: string;
  readonly reasons: readonly { readonly code: string }[];
  readonly step_up?: {
    readonly satisfied: boolean;
    readonly www_authenticate: string;
    readonly error?: { readonly code: string; readonly message: string };
  };
  readonly signals: { readonly [name: string]: { readonly facts?: { readonly [fact: string]: unknown } } };
  readonly device?: { readonly id: string; readonly token?: string };
  readonly degraded: readonly { readonly part: string; readonly why: string }[];
}

/** Stepgate with the bank's rules, taking the provider's access tokens as proofs. */
export interface Bank {
  readonly url: string;
  readonly lines: readonly string[];
  /** A risk check of alice unless `body` says otherwise; it has to be answered 200. */
  check(action: string, token?: string, body?: object): Promise<Answer>;
  /** Names of the issuers whose keys have never been had, as `/readyz` tells. */
  missingKeys(): Promise<readonly string[]>;
}

/** One entry of `STEP_UP_ISSUERS`: the preset `oidc`, keys by discovery. */
export function issuerEntry({ issuer }: Pick<IdentityProvider, 'issuer'>, changes: object = {}): object {
  return {
    preset: 'oidc',
    issuer,
    audience: API,
    typ: 'at+jwt',
    step_up: { acr_values: [LOA2] },
    acr_order: CLASSES.map(({ acr }) => acr),
    ...changes,
  };
}

/** Where a bank is opened: a folder for its rules, and a way to start a service with them. */
export interface BankBuilding {
  readonly dir: string;
  start(settings: { readonly [name: string]: string }): Promise<{
    readonly server: { readonly url: string };
    readonly lines: readonly string[];
  }>;
}

/** Starts a service with the bank's rules. */
export async function openBank(
  workshop: BankBuilding,
  entry: object,
  settings: { readonly [name: string]: string } = {},
): Promise<Bank> {
  await writeFile(join(workshop.dir, 'default.json'), JSON.stringify(RULES));
  const { server, lines } = await workshop.start({
    STEP_UP_ISSUERS: JSON.stringify([entry]),
    LOG_LEVEL: 'debug',
    ...settings,
  });
  return {
    url: server.url,
    lines,
    async check(action, token, body = {}) {
      const request = { subject: 'alice', action, ip: '81.2.69.160', step_up_token: token, ...body };
      const { status, text } = await post(`${server.url}/v1/risk-check`, JSON.stringify(request));
      if (status !== 200) throw new Error(`a check was answered ${status}: ${text}`);
      return JSON.parse(text);
    },
    async missingKeys() {
      const state = (await (await fetch(`${server.url}/readyz`)).json()) as { issuers: { missing_keys: string[] } };
      return state.issuers.missing_keys;
    },
  };
}

/** Alice with a password and a one-time code, at a fresh provider that the bank has the keys of, while the clock stands still. */
export async function openDay(
  workshop: Workshop,
): Promise<{ readonly idp: IdentityProvider; readonly bank: Bank; readonly alice: UserAgent }> {
  stopClock();
  const idp = await identityProvider();
  const bank = await openBank(workshop, issuerEntry(idp));
  await keysAreHad(bank);
  return { idp, bank, alice: userAgent(idp, { account: 'alice', methods: ['pwd', 'otp'] }) };
}

/** Ends what a test began: servers, provider, the stopped clock. */
export async function closeDay(workshop: Workshop, idp: IdentityProvider): Promise<void> {
  await workshop.tidy();
  await idp.stop();
  vi.useRealTimers();
}

/**
 * Resolves once the keys that are fetched at the start are there. On a machine so busy that the provider did not answer in
 * time, the clock is moved on to the next try: it stands still by itself.
 */
export async function keysAreHad(bank: Bank): Promise<void> {
  let failures = 0;
  await until(async () => {
    if ((await bank.missingKeys()).length === 0) return true;
    const failed = bank.lines.filter((line) => line.includes('the keys of an issuer could not be fetched')).length;
    if (failed > failures) advance(RETRY_MS / 1000);
    failures = failed;
    return false;
  });
}

/** Stops the clock of this process, provider and Stepgate alike, at the present second. */
export function stopClock(): void {
  const second = Math.floor(Date.now() / 1000) * 1000;
  vi.useFakeTimers({ now: second, toFake: ['Date'] });
}

/** Moves the stopped clock on. */
export function advance(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000);
}
