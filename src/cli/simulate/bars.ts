import type { MixName } from './mixes.ts';
import type { Bar, MixReport, ThiefReport } from './report.ts';
import type { Measure } from './thieves.ts';

/** Greatest share of log-ins after the tenth that may be asked of all people. */
const ASKED_OF_ALL: { readonly [mix in MixName]: number } = { bank: 0.025, sso: 0.04 };
/** The same of people whose browser keeps state. */
const ASKED_OF_KEEPERS = 0.01;
const ASKED_EARLY = 0.08;
/** Smallest share of the thieves of a regular class that must never be allowed. */
const STOPPED = 0.99;

/** Greatest share of each class allowed at the first of five tries, and at any of them. */
const ALLOWED: {
  readonly [measure in Measure]?: { readonly meaning: string; readonly first: number; readonly best: number };
} = {
  password: { meaning: 'thieves without a token', first: 0.005, best: 0.015 },
  beside: { meaning: "thieves behind the victim's own address", first: 0.2, best: 0.2 },
  token_abroad: { meaning: 'thieves with the token, elsewhere', first: 0.02, best: 0.05 },
  token_bare: { meaning: 'thieves with the token and few traits', first: 0.01, best: 0.01 },
  poison: { meaning: 'sessions poisoned by an unnamed action', first: 0, best: 0 },
};

/** Every bar with what was found. */
export function barsOf(report: Omit<MixReport, 'bars'>): Bar[] {
  return [...promises(report), ...honestAims(report), ...thiefAims(report)];
}

function promises({ mix, kinds, thieves }: Omit<MixReport, 'bars'>): Bar[] {
  const stopped = thieves
    .filter(({ regular, thieves: all }) => regular && all > 0)
    .map(({ class: thief, best, thieves: all }) => ({ name: thief, share: 1 - best / all }));
  const weakest = lowest(stopped);
  const bars: Bar[] = [
    {
      kind: 'promise',
      what: 'regular classes of thieves stopped, each',
      wanted: `at least ${percent(STOPPED)}`,
      found: weakest === null ? 'no thief' : `${percent(weakest.share)} (${weakest.name})`,
      met: weakest !== null && weakest.share >= STOPPED,
    },
  ];
  if (mix !== 'bank') return bars;
  const regular = kinds.filter((kind) => kind.regular);
  const asked = regular.reduce((sum, { later }) => sum + later.often.asked, 0);
  const logins = regular.reduce((sum, { later }) => sum + later.often.logins, 0);
  return [
    {
      kind: 'promise',
      what: 'log-ins after the tenth asked, regular kinds who come twice a day',
      wanted: `at most ${percent(ASKED_OF_KEEPERS)}`,
      found: percent(logins === 0 ? 0 : asked / logins),
      met: asked <= logins * ASKED_OF_KEEPERS,
    },
    ...bars,
  ];
}

function honestAims({ mix, all, keepers, denied, logins }: Omit<MixReport, 'bars'>): Bar[] {
  const most = (what: string, found: number, limit: number): Bar => ({
    kind: 'aim',
    what,
    wanted: `at most ${percent(limit)}`,
    found: percent(found),
    met: found <= limit,
  });
  return [
    most('log-ins after the tenth asked, browsers that keep state', keepers.asked.later, ASKED_OF_KEEPERS),
    most('log-ins after the tenth asked, all people', all.asked.later, ASKED_OF_ALL[mix]),
    most('second to tenth log-in asked, all people', all.asked.early, ASKED_EARLY),
    {
      kind: 'aim',
      what: 'honest log-ins denied',
      wanted: 'none',
      found: `${denied} of ${logins}`,
      met: denied === 0,
    },
  ];
}

function thiefAims({ thieves }: Omit<MixReport, 'bars'>): Bar[] {
  const aims = (Object.entries(ALLOWED) as [Measure, NonNullable<(typeof ALLOWED)[Measure]>][]).flatMap(
    ([measure, { meaning, first, best }]): Bar[] => {
      const some = thieves.filter((thief) => thief.measure === measure && thief.thieves > 0);
      const at = (which: 'first' | 'best') =>
        highest(some.map((thief) => ({ name: thief.class, share: thief[which] / thief.thieves })));
      const bar = (what: string, worst: Named | null, limit: number): Bar => ({
        kind: 'aim',
        what: `${meaning}: ${what}, each class`,
        wanted: limit === 0 ? 'none' : `at most ${percent(limit)}`,
        found: worst === null ? 'no thief' : `${percent(worst.share)} (${worst.name})`,
        met: worst !== null && worst.share <= limit,
      });
      return [
        ...(best === first ? [] : [bar('let in at the first try', at('first'), first)]),
        bar('let in at any of five tries', at('best'), best),
      ];
    },
  );
  const took = (some: readonly ThiefReport[]): number => some.reduce((sum, thief) => sum + thief.took, 0);
  const beside = thieves.filter(({ measure }) => measure === 'beside');
  const inCity = thieves.filter(({ measure }) => measure === 'token_city');
  const of = inCity.reduce((sum, { discovered }) => sum + discovered.of, 0);
  const count = inCity.reduce((sum, { discovered }) => sum + discovered.count, 0);
  const keyed = inCity.reduce((sum, thief) => sum + thief.keyed.best, 0);
  return [
    ...aims,
    none("thieves with the token in the victim's city, where the browser has a key: let in", keyed),
    none("thieves behind the victim's own address: payments without a step-up", took(beside)),
    none("thieves with the token in the victim's city: payments without a step-up", took(inCity)),
    {
      kind: 'aim',
      what: "thieves with the token in the victim's city: discovered at the victim's next log-in",
      wanted: 'all',
      found: `${count} of ${of}`,
      met: count === of,
    },
  ];
}

function none(what: string, found: number): Bar {
  return { kind: 'aim', what, wanted: 'none', found: String(found), met: found === 0 };
}

interface Named {
  readonly name: string;
  readonly share: number;
}

function highest(some: readonly Named[]): Named | null {
  return some.reduce<Named | null>((worst, one) => (worst === null || one.share > worst.share ? one : worst), null);
}

function lowest(some: readonly Named[]): Named | null {
  return some.reduce<Named | null>((worst, one) => (worst === null || one.share < worst.share ? one : worst), null);
}

/** A share in percent, as people read it. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 2 : 1)} %`;
}
