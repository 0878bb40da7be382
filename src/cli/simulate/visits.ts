import { type Browser, HOUR_MS } from './browser.ts';
import type { Chance } from './chance.ts';
import { type Frequency, visitTimes } from './frequencies.ts';
import type { Person } from './people/person.ts';

/** One request of a person. */
export interface Act {
  readonly atMs: number;
  readonly action: string;
  readonly browser: Browser;
  readonly address: string;
  readonly session: string;
  readonly jar: string;
  readonly context: { readonly amount?: number; readonly new_payee?: boolean };
  /** Wrong passwords just before a log-in. */
  readonly failures: number;
  /** Whether a step-up, if one is asked for, is gone through with. */
  readonly answers: boolean;
}

/** How somebody comes and what they do. */
export interface Habit {
  readonly frequency: Frequency;
  /** Share of visits with a payment. */
  readonly pays: number;
}

/** All requests of a person from `fromMs` until `toMs`, in order of time. */
export function actsOf(person: Person, habit: Habit, fromMs: number, toMs: number, chance: Chance): Act[] {
  return visitTimes(habit.frequency, person.home.lon, fromMs, toMs, chance.fork('times'))
    .filter((atMs) => !person.isOffline(atMs))
    .flatMap((atMs, visit) =>
      visitOf(person, habit.pays, atMs, `${person.id}-s${visit}`, chance.fork(`visit-${visit}`)),
    )
    .filter(({ atMs }) => atMs < toMs && !person.isOffline(atMs))
    .sort((a, b) => a.atMs - b.atMs);
}

const MINUTE_MS = 60_000;

/** A log-in and what follows in its session: mostly minutes, at times until the next day. */
function visitOf(person: Person, pays: number, atMs: number, session: string, chance: Chance): Act[] {
  const browser = chance.pick(person.browsersAt(atMs));
  const act = (at: number, action: string, context: Act['context'] = {}): Act => ({
    atMs: at,
    action,
    browser,
    address: person.addressAt(browser, at),
    session,
    jar: person.jarAt(browser, at, session),
    context,
    failures: action === 'login' && chance.happens(person.mistypes) ? wrongPasswords(person, chance) : 0,
    answers: !chance.happens(person.dropsOut),
  });
  const transfer = (at: number): Act =>
    act(at, 'payment.transfer', {
      // Log-normal around 40 with a long tail: one in a hundred or so is above a thousand.
      amount: Math.round(Math.exp(3.7 + 1.4 * chance.bell())),
      new_payee: chance.happens(0.05),
    });
  const acts = [act(atMs, 'login')];
  const looksLater = chance.happens(0.3) ? atMs + chance.between(0.5, 18) * HOUR_MS : null;
  if (looksLater !== null) acts.push(act(looksLater, 'profile.view'));
  if (pays === 0) return acts;
  if (chance.happens(pays)) acts.push(transfer(atMs + chance.between(1, 6) * MINUTE_MS));
  if (chance.happens(0.02)) acts.push(act(atMs + chance.between(2, 8) * MINUTE_MS, 'payment.payee.add'));
  if (chance.happens(0.004)) acts.push(act(atMs + chance.between(2, 8) * MINUTE_MS, 'password.change'));
  if (looksLater !== null && chance.happens(1.6 * pays)) {
    acts.push(transfer(looksLater + chance.between(0.5, 3) * MINUTE_MS));
  }
  return acts;
}

/** Most people mistype once; those who often do, up to four times. */
function wrongPasswords(person: Person, chance: Chance): number {
  return person.mistypes > 0.1 ? chance.whole(1, 4) : 1;
}
