import { table } from './output.ts';
import { percent } from './simulate/bars.ts';
import type { Bar, Group, KindReport, MixReport, Report, ThiefReport } from './simulate/report.ts';

/** The report of a simulation as text for a terminal. */
export function writeSimulation({ seeds, rulesRevision, mixes }: Report): string {
  return [`seeds ${seeds.join(', ')}; rules ${rulesRevision.slice(0, 15)}`, ...mixes.map(writeMix)].join('\n\n');
}

function writeMix(report: MixReport): string {
  const { mix, meaning, people, logins, requests, causes, bars } = report;
  return [
    `${mix}: ${meaning}`,
    `${people} people, ${logins} log-ins; shares are those of log-ins asked, weighted by the mix`,
    '',
    table([['people', 'share', ...HONEST], ...honestRows(report)], isNumber(6)),
    '',
    table(
      [
        ['kind', ...report.frequencies.map(({ meaning: often }) => often), 'all', 'denied', 'why'],
        ...report.kinds.map(kindRow),
      ],
      isNumber(report.frequencies.length + 2),
    ),
    'log-ins after the tenth',
    '',
    table(
      [
        ['why log-ins after the tenth were asked', 'share of all'],
        ...causes.map(({ meaning: why, share }) => [why, percent(share)]),
      ],
      isNumber(1),
    ),
    ...(requests.total === 0
      ? []
      : [
          `requests in sessions: ${percent(requests.byScore)} asked by the score, ${percent(requests.byAction)} by the action, ${requests.denied} denied`,
        ]),
    '',
    table(
      [['thief', 'thieves', 'first try', 'best of five', 'took', 'denied', 'why not'], ...report.thieves.map(thiefRow)],
      isNumber(5),
    ),
    'best of five: let in at any of five tries; took: a payment or a change of credentials without a step-up; *: asked, and can answer',
    '',
    ...bars.map(writeBar),
  ].join('\n');
}

const HONEST = ['first', '2nd-10th', 'after ten', 'asks a year', 'never asked'];

function honestRows({ all, keepers, frequencies }: MixReport): string[][] {
  return [
    ...frequencies.map(({ meaning, share, ...group }) => [meaning, percent(share), ...groupCells(group)]),
    ['browsers that keep state', '', ...groupCells(keepers)],
    ['all', '', ...groupCells(all)],
  ];
}

function groupCells({ asked, perPerson }: Group): string[] {
  return [
    percent(asked.first),
    percent(asked.early),
    percent(asked.later),
    perPerson.asksPerYear.toFixed(1),
    percent(perPerson.neverAsked),
  ];
}

function kindRow({ kind, keeps, later, asked, denied, causes }: KindReport): string[] {
  return [
    keeps ? kind : `${kind} -`,
    ...Object.values(later).map(({ logins, asked: some }) => (logins === 0 ? '' : percent(some / logins))),
    percent(asked.later),
    String(denied),
    causes
      .slice(0, 2)
      .map(({ cause, share }) => `${cause} ${percent(share)}`)
      .join(', '),
  ];
}

function thiefRow({ class: thief, thieves, first, best, took, answered, denied, reasons }: ThiefReport): string[] {
  const share = (count: number): string => (thieves === 0 ? '' : percent(count / thieves));
  return [
    answered === 0 ? thief : `${thief} * ${share(answered)}`,
    String(thieves),
    share(first),
    share(best),
    share(took),
    share(denied),
    reasons
      .slice(0, 3)
      .map(({ code }) => code)
      .join(', '),
  ];
}

function writeBar({ kind, what, wanted, found, met }: Bar): string {
  return `${met ? 'met   ' : 'MISSED'} ${kind.padEnd(7)} ${what}: ${found}, wanted ${wanted}`;
}

/** Names are in the first column and reasons in the last; the columns between are counts. */
function isNumber(last: number): (column: number) => boolean {
  return (column) => column > 0 && column <= last;
}
