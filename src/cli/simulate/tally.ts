import { CAUSE_NAMES, type Cause } from './cause.ts';
import { FREQUENCY_NAMES, type Frequency } from './frequencies.ts';
import type { Met } from './honest.ts';
import { KINDS, PEOPLE, type PersonKind } from './people/kinds.ts';

/** Log-ins by how many came before: the first, the second to the tenth, and all after. */
export const PHASES = ['first', 'early', 'later'] as const;
export type Phase = (typeof PHASES)[number];

const EARLY_LOGINS = 10;

/** Decisions of log-ins. */
export interface LoginCounts {
  logins: number;
  asked: number;
  denied: number;
}

/** What the people of one kind and one frequency met. */
export interface Cell {
  readonly kind: PersonKind;
  readonly frequency: Frequency;
  people: number;
  /** Years that they were played, added up. */
  years: number;
  readonly phases: { readonly [phase in Phase]: LoginCounts };
  /** Why log-ins after the tenth were asked or denied. */
  readonly causes: { [cause in Cause]: number };
  /** Step-ups that were not gone through with. */
  gaveUp: number;
  /** People who were never asked after the tenth log-in. */
  neverAsked: number;
  /** Requests in sessions; `byAction`: asked at the level `low`, so by rules of the action and not by the score. */
  readonly requests: { total: number; byScore: number; byAction: number; denied: number };
}

/** Takes down what honest people meet. */
export interface Tally {
  readonly cells: readonly Cell[];
  /** Opens the account of one person. */
  person(kind: PersonKind, frequency: Frequency, years: number): (met: Met) => void;
}

/** An empty tally of some kinds of people. */
export function newTally(kinds: readonly PersonKind[]): Tally {
  const cells = new Map<string, Cell>();
  for (const kind of kinds)
    for (const frequency of FREQUENCY_NAMES) cells.set(`${kind}/${frequency}`, emptyCell(kind, frequency));
  return {
    cells: [...cells.values()],
    person(kind, frequency, years) {
      const cell = cells.get(`${kind}/${frequency}`) ?? emptyCell(kind, frequency);
      cell.people++;
      cell.years += years;
      cell.neverAsked++;
      let isAsked = false;
      return (met) => {
        if (met.act.action !== 'login') addRequest(cell, met);
        else if (addLogin(cell, met) && !isAsked) {
          isAsked = true;
          cell.neverAsked--;
        }
        if (met.gaveUp) cell.gaveUp++;
      };
    },
  };
}

/** One cell for each kind and frequency, with the sums of what was counted. */
export function mergedCells(cells: readonly Cell[]): Cell[] {
  return KINDS.flatMap((kind) =>
    FREQUENCY_NAMES.map((frequency) =>
      cells
        .filter((cell) => cell.kind === kind && cell.frequency === frequency)
        .reduce(sumOfCells, emptyCell(kind, frequency)),
    ),
  );
}

function sumOfCells(a: Cell, b: Cell): Cell {
  const { kind, frequency } = a;
  return {
    kind,
    frequency,
    people: a.people + b.people,
    years: a.years + b.years,
    phases: {
      first: sumOfCounts(a.phases.first, b.phases.first),
      early: sumOfCounts(a.phases.early, b.phases.early),
      later: sumOfCounts(a.phases.later, b.phases.later),
    },
    causes: sumOfCounts(a.causes, b.causes),
    gaveUp: a.gaveUp + b.gaveUp,
    neverAsked: a.neverAsked + b.neverAsked,
    requests: sumOfCounts(a.requests, b.requests),
  };
}

function sumOfCounts<Counts extends { readonly [name in keyof Counts]: number }>(a: Counts, b: Counts): Counts {
  const names = Object.keys(a) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as Counts;
}

function emptyCell(kind: PersonKind, frequency: Frequency): Cell {
  const counts = (): LoginCounts => ({ logins: 0, asked: 0, denied: 0 });
  return {
    kind,
    frequency,
    people: 0,
    years: 0,
    phases: { first: counts(), early: counts(), later: counts() },
    causes: Object.fromEntries(CAUSE_NAMES.map((cause) => [cause, 0])) as { [cause in Cause]: number },
    gaveUp: 0,
    neverAsked: 0,
    requests: { total: 0, byScore: 0, byAction: 0, denied: 0 },
  };
}

/** True for a log-in after the tenth that was not let in at once. */
function addLogin(cell: Cell, { result, before, cause }: Met): boolean {
  const phase = before === 0 ? 'first' : before < EARLY_LOGINS ? 'early' : 'later';
  const counts = cell.phases[phase];
  counts.logins++;
  if (result.decision === 'step-up') counts.asked++;
  if (result.decision === 'deny') counts.denied++;
  if (phase !== 'later' || cause === null) return false;
  cell.causes[cause]++;
  return true;
}

function addRequest({ requests }: Cell, { result }: Met): void {
  requests.total++;
  if (result.decision === 'deny') requests.denied++;
  else if (result.decision === 'step-up') requests[result.level === 'low' ? 'byAction' : 'byScore']++;
}

/** Whether the browser keeps what it is given and shows the same traits each time. */
export function keepsState({ kind }: Pick<Cell, 'kind'>): boolean {
  return PEOPLE[kind].keeps;
}
