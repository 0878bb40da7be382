import { barsOf } from './bars.ts';
import { CAUSE_NAMES, CAUSES } from './cause.ts';
import { FREQUENCIES, FREQUENCY_NAMES } from './frequencies.ts';
import { MIXES, type MixName } from './mixes.ts';
import { KINDS, PEOPLE } from './people/kinds.ts';
import type { Group, KindReport, MixReport, ThiefReport } from './report.ts';
import { type Cell, keepsState, PHASES, type Phase } from './tally.ts';
import type { Theft } from './theft.ts';
import { type Measure, THIEF_CLASSES, THIEVES, type ThiefClass } from './thieves.ts';

/** Puts together what one mix met. */
export function mixReportOf(mix: MixName, cells: readonly Cell[], thefts: readonly Theft[]): MixReport {
  const { meaning, frequencies, kinds } = MIXES[mix];
  const weigh = (some: readonly Cell[]): readonly Weighed[] =>
    some
      .filter(({ people }) => people > 0)
      .map((cell) => {
        const share = kinds[cell.kind] * frequencies[cell.frequency];
        const { first, early, later } = cell.phases;
        const perYear = cell.years === 0 ? 0 : (first.logins + early.logins + later.logins) / cell.years;
        return { cell, share, perYear };
      });
  const groupOf = (some: readonly Cell[]): Group => group(weigh(some));
  const loginsOf = ({ phases }: Cell): number => PHASES.reduce((sum, phase) => sum + phases[phase].logins, 0);
  const deniedOf = (some: readonly Cell[]): number =>
    sumOf(some, ({ phases }) => sumOf(PHASES, (phase) => phases[phase].denied));
  const causesOf = (some: readonly Cell[]) => {
    const weighed = weigh(some);
    return CAUSE_NAMES.map((cause) => ({ cause, share: laterShare(weighed, ({ causes }) => causes[cause]) })).filter(
      ({ share }) => share > 0,
    );
  };
  const report: Omit<MixReport, 'bars'> = {
    mix,
    meaning,
    people: sumOf(cells, ({ people }) => people),
    logins: sumOf(cells, loginsOf),
    denied: deniedOf(cells),
    all: groupOf(cells),
    keepers: groupOf(cells.filter(keepsState)),
    frequencies: FREQUENCY_NAMES.map((frequency) => ({
      frequency,
      meaning: FREQUENCIES[frequency].meaning,
      share: frequencies[frequency],
      ...groupOf(cells.filter((cell) => cell.frequency === frequency)),
    })),
    kinds: KINDS.map((kind): KindReport => {
      const own = cells.filter((cell) => cell.kind === kind);
      const { meaning: kindMeaning, keeps, regular } = PEOPLE[kind];
      return {
        kind,
        meaning: kindMeaning,
        keeps,
        regular,
        share: kinds[kind],
        ...groupOf(own),
        later: Object.fromEntries(
          own.map(({ frequency, phases }) => [frequency, { ...phases.later }]),
        ) as KindReport['later'],
        denied: deniedOf(own),
        causes: causesOf(own).sort((a, b) => b.share - a.share),
      };
    }),
    causes: causesOf(cells).map(({ cause, share }) => ({ cause, meaning: CAUSES[cause], share })),
    requests: {
      total: sumOf(cells, ({ requests }) => requests.total),
      byScore: requestShare(weigh(cells), 'byScore'),
      byAction: requestShare(weigh(cells), 'byAction'),
      denied: sumOf(cells, ({ requests }) => requests.denied),
    },
    thieves: THIEF_CLASSES.map((thief) =>
      thiefReportOf(
        thief,
        thefts.filter((theft) => theft.thief === thief),
      ),
    ),
  };
  return { ...report, bars: barsOf(report) };
}

interface Weighed {
  readonly cell: Cell;
  /** Share of the people of the mix. */
  readonly share: number;
  /** Log-ins of one of them in a year. */
  readonly perYear: number;
}

function group(weighed: readonly Weighed[]): Group {
  const people = sumOf(weighed, ({ share }) => share);
  const perPerson = (of: (each: Weighed) => number): number =>
    people === 0 ? 0 : sumOf(weighed, (each) => each.share * of(each)) / people;
  const askedOf = ({ cell }: Weighed, phase: Phase): number =>
    ratio(cell.phases[phase].asked, cell.phases[phase].logins);
  return {
    asked: {
      // Everybody has one first log-in and nine early ones, however often they come.
      first: perPerson((each) => askedOf(each, 'first')),
      early: perPerson((each) => askedOf(each, 'early')),
      later: laterShare(weighed, ({ phases }) => phases.later.asked),
    },
    perPerson: {
      asksPerYear: perPerson((each) => each.perYear * askedOf(each, 'later')),
      gaveUpPerYear: perPerson(({ cell }) => ratio(cell.gaveUp, cell.years)),
      neverAsked: perPerson(({ cell }) => ratio(cell.neverAsked, cell.people)),
    },
  };
}

/** A count of log-ins after the tenth as a share of them, each cell weighing as many log-ins as its people make. */
function laterShare(weighed: readonly Weighed[], count: (cell: Cell) => number): number {
  const played = weighed.filter(({ cell }) => cell.phases.later.logins > 0);
  const weight = ({ share, perYear }: Weighed): number => share * perYear;
  return ratio(
    sumOf(played, (each) => weight(each) * ratio(count(each.cell), each.cell.phases.later.logins)),
    sumOf(played, weight),
  );
}

function requestShare(weighed: readonly Weighed[], which: 'byScore' | 'byAction'): number {
  const weight = ({ cell, share }: Weighed): number => share * ratio(cell.requests.total, cell.years);
  return ratio(
    sumOf(weighed, (each) => weight(each) * ratio(each.cell.requests[which], each.cell.requests.total)),
    sumOf(weighed, weight),
  );
}

function thiefReportOf(thief: ThiefClass, thefts: readonly Theft[]): ThiefReport {
  const kind: { readonly meaning: string; readonly measure: Measure; readonly regular?: true } = THIEVES[thief];
  const reasons = new Map<string, number>();
  for (const { reasons: codes } of thefts) for (const code of codes) reasons.set(code, (reasons.get(code) ?? 0) + 1);
  const count = (is: (theft: Theft) => boolean): number => thefts.filter(is).length;
  return {
    class: thief,
    meaning: kind.meaning,
    measure: kind.measure,
    regular: kind.regular === true,
    thieves: thefts.length,
    first: count(({ tries }) => tries[0] === 'allow'),
    best: count(({ tries }) => tries.includes('allow')),
    keyed: {
      thieves: count(({ keyed }) => keyed),
      best: count(({ keyed, tries }) => keyed && tries.includes('allow')),
    },
    denied: count(({ tries }) => !tries.includes('allow') && tries.includes('deny')),
    answered: count(({ answered }) => answered),
    took: count(({ took }) => took),
    looked: count(({ looked }) => looked),
    discovered: {
      of: count(({ discovered }) => discovered !== null),
      count: count(({ discovered }) => discovered === true),
    },
    reasons: [...reasons]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .map(([code, times]) => ({ code, count: times })),
  };
}

function sumOf<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((sum, one) => sum + of(one), 0);
}

/** A part of a whole; 0 of nothing is 0. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
