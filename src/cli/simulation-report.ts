import { table } from './output.ts';
import { type Counts, type PersonTally, type Report, share, type ThiefTally } from './simulate/report.ts';

/** The report of a simulation as text for a terminal. */
export function writeSimulation(report: Report): string {
  const { people, thieves, misses } = report;
  const top = (reasons: Counts['reasons']): string =>
    reasons
      .slice(0, 3)
      .map(({ code, count }) => `${code} ${count}`)
      .join(', ');
  const person = ({ kind, logins, requests, coldStart }: PersonTally): string[] => [
    kind,
    String(logins.total),
    share(logins.asked, logins.total),
    String(logins.denied),
    share(requests.asked - requests.askedByAction, requests.total),
    share(requests.askedByAction, requests.total),
    String(requests.denied),
    share(coldStart.asked, coldStart.total),
    top(logins.reasons),
  ];
  const all = people.map(({ logins, requests, coldStart }) => [logins, requests, coldStart] as const);
  const sum = (of: 0 | 1 | 2, what: 'total' | 'asked' | 'askedByAction' | 'denied'): number =>
    all.reduce((total, counts) => total + counts[of][what], 0);
  const thief = (tally: ThiefTally): string[] => [
    tally.withinReach ? tally.class : `${tally.class} *`,
    String(tally.thieves),
    share(tally.stopped, tally.thieves),
    share(tally.denied, tally.thieves),
    String(tally.succeeded),
    tally.looked === 0 ? '' : share(tally.looked, tally.thieves),
    top(tally.reasons),
  ];
  return [
    `seed ${report.seed}, ${report.weeks} weeks, ${report.peoplePerKind} people of each kind, ` +
      `${report.thievesPerClass} thieves of each class, rules ${report.rulesRevision.slice(0, 15)}`,
    '',
    table(
      [
        [
          'honest',
          'log-ins',
          'asked',
          'denied',
          'requests asked',
          'by the action',
          'denied',
          'first ten asked',
          'why at log-in',
        ],
        ...people.map(person),
        [
          'all',
          String(sum(0, 'total')),
          share(sum(0, 'asked'), sum(0, 'total')),
          String(sum(0, 'denied')),
          share(sum(1, 'asked') - sum(1, 'askedByAction'), sum(1, 'total')),
          share(sum(1, 'askedByAction'), sum(1, 'total')),
          String(sum(1, 'denied')),
          share(sum(2, 'asked'), sum(2, 'total')),
          '',
        ],
      ],
      isNumber(8),
    ),
    '',
    table([['thief', 'thieves', 'stopped', 'denied', 'won', 'saw a page', 'why'], ...thieves.map(thief)], isNumber(6)),
    '* no signal of today tells this thief from the victim; no bar is set',
    '',
    misses.length === 0
      ? 'All bars are met: honest log-ins asked at most 1 %, never denied; thieves stopped at least 99 %.'
      : ['Bars missed:', ...misses.map((miss) => `  ${miss}`)].join('\n'),
  ].join('\n');
}

/** The first column has names and the last reasons; the others are numbers. */
function isNumber(last: number): (column: number) => boolean {
  return (column) => column > 0 && column < last;
}
