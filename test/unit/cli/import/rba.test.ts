import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { playRba, type RbaOptions } from '../../../../src/cli/import/rba-play.ts';
import { type RbaRow, rbaRows } from '../../../../src/cli/import/rba-rows.ts';
import { median, newHistories } from '../../../../src/cli/import/re-asks.ts';
import { chanceOf } from '../../../../src/cli/simulate/chance.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';

const HEADER =
  'index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover';
const CHROME =
  '"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/85.0.4183.102"';

async function* linesOf(...lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

async function readAll(...lines: readonly string[]): Promise<RbaRow[]> {
  const rows: RbaRow[] = [];
  for await (const row of rbaRows(linesOf(...lines))) rows.push(row);
  return rows;
}

const line = (at: string, user: string, ip: string, marks = 'True,False,False', country = 'NO'): string =>
  `0,${at},${user},583.0,${ip},${country},Vestland,Bergen,29695,${CHROME},Chrome 85.0.4183,Windows 10,desktop,${marks}`;

describe('rows of the RBA data set', () => {
  it('A row gives its moment, user, place, client and marks, and quoted user agents may have commas', async () => {
    expect(await readAll(HEADER, line('2020-02-03 12:43:30.772', '-4324475583306591935', '81.167.144.58'))).toEqual([
      {
        atMs: Date.UTC(2020, 1, 3, 12, 43, 30, 772),
        user: '-4324475583306591935',
        ip: '81.167.144.58',
        country: 'NO',
        region: 'Vestland',
        city: 'Bergen',
        asn: 29695,
        userAgent: CHROME.slice(1, -1),
        browser: 'Chrome 85.0.4183',
        os: 'Windows 10',
        deviceType: 'desktop',
        successful: true,
        attackIp: false,
        takeover: false,
      },
    ]);
  });

  it('Columns are found by name in any order, and what is empty, "-" or NaN is nothing', async () => {
    const names = HEADER.split(',').reverse();
    const values: { readonly [name: string]: string } = {
      'Login Timestamp': '1580733810772',
      'User ID': '7',
      'IP Address': '10.0.65.171',
      Region: '-',
      City: 'nan',
      'Login Successful': 'true',
      'Is Attack IP': 'false',
      'Is Account Takeover': 'FALSE',
    };
    const [row] = await readAll(names.join(','), names.map((name) => values[name] ?? '').join(','), '');
    expect(row).toMatchObject({ atMs: 1_580_733_810_772, region: null, city: null, asn: null, userAgent: null });
  });

  it.each([
    [[], 'line 1: the file is empty; expected the header of the RBA data set'],
    [['a,b'], /^line 1: no column "Login Timestamp", .*it reads "a,b"\. Expected the header of rba-dataset\.csv\.$/],
    [[HEADER, 'x,y'], 'line 2: 2 fields, expected 16; it reads "x,y"'],
    [
      [HEADER, line('2020-02-03 12:43:30', '1', '81.2.69.1'), line('3 February', '1', '81.2.69.1')],
      'line 3: Login Timestamp is "3 February", expected a moment such as 2020-02-03 12:43:30.772',
    ],
    [
      [HEADER, line('2020-02-03 12:43:30', '1', '81.2.69.1', 'yes,False,False')],
      'line 2: Login Successful is "yes", expected True or False',
    ],
    [[HEADER, line('2020-02-03 12:43:30', '', '81.2.69.1')], 'line 2: User ID is "", expected the number of a user'],
  ])('A line that cannot be read is named by its number, with what was expected: %j', async (lines, message) => {
    await expect(readAll(...lines)).rejects.toThrow(message);
  });
});

describe('histories of re-asks', () => {
  it('A median is over the users who came that often, and the lower one of two', () => {
    const histories = newHistories([2]);
    for (const asked of [0, 1, 1, 2]) histories.add({ logins: 2, asked });
    histories.add({ logins: 3, asked: 3 });
    expect(histories.at(2)).toEqual({ users: 4, logins: 2, byAsked: [1, 2, 1] });
    expect(median(histories.at(2))).toBe(0.5);
    expect(median(newHistories([2]).at(2))).toBeNull();
  });
});

const policy = compileRules(
  [{ name: 'default.json', text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8') }],
  FACT_CATALOG,
);

/** Forty users of one city who come on twenty days; a thief takes the first one's account from another country. */
function* madeUp(): Generator<string> {
  yield HEADER;
  for (let day = 1; day <= 20; day++) {
    for (let user = 0; user < 40; user++) {
      const at = `2020-02-${String(day).padStart(2, '0')} 12:${String(user).padStart(2, '0')}:00.000`;
      if (user % 10 === 0) yield line(at, `-${user}`, `81.2.${user}.9`, 'False,False,False');
      yield line(at, `-${user}`, `81.2.${user}.9`, user === 39 ? 'True,True,False' : 'True,False,False');
    }
  }
  yield line('2020-02-21 03:00:00.000', '-0', '185.220.101.7', 'True,True,True', 'RO');
}

const options: RbaOptions = {
  rules: policy,
  users: 1000,
  oneIn: 1,
  cookies: false,
  random: chanceOf('test').next,
};
const play = (some: Partial<RbaOptions> = {}) => playRba(rbaRows(linesOf(...madeUp())), { ...options, ...some });

describe('the RBA data set, played', () => {
  it('Log-ins are counted by how many came before, wrong passwords and takeovers apart', async () => {
    const report = await play();
    expect(report).toMatchObject({ rows: 881, failed: 80, skipped: 0, outOfOrder: 0, forgotten: 0 });
    expect(report.honest.map(({ logins_before, logins }) => [logins_before, logins])).toEqual([
      ['0', 40],
      ['1-4', 160],
      ['5-11', 280],
      ['12-19', 320],
      ['20-38', 0],
      ['39 and more', 0],
    ]);
    expect(report.honest.reduce((sum, { denied }) => sum + denied, 0)).toBe(0);
    expect(report.attackAddresses.logins).toBe(20);
    expect(report.takeovers).toEqual({ logins: 1, asked: 1, denied: 0 });
  });

  it('Medians stand beside the published ones, for the lengths of history that the file has', async () => {
    const { medians } = await play();
    expect(medians.map(({ logins, users, published }) => [logins, users, published])).toEqual([
      [5, 40, 0.41],
      [12, 40, 0.33],
      [20, 40, 0.2],
      [39, 0, 0.07],
    ]);
    expect(medians.at(-1)?.found).toBeNull();
    expect(medians[0]?.found).toBeGreaterThan(0);
  });

  it('One group of users is played with all of their log-ins, and the groups add up', async () => {
    const half = await play({ oneIn: 2 });
    expect(half.rows + half.skipped).toBe(881);
    expect(half.rows).toBeGreaterThan(100);
    expect((half.honest[0]?.logins ?? 0) * 20).toBe(half.honest.reduce((sum, { logins }) => sum + logins, 0));
  });

  it('More users than are to be remembered are forgotten and said to be, so that memory is bounded', async () => {
    const report = await play({ users: 10 });
    expect(report.forgotten).toBeGreaterThan(100);
    expect(report.honest[0]?.logins).toBeGreaterThan(40);
  });

  it('A row that is earlier than one before it is counted, and played', async () => {
    const rows = rbaRows(
      linesOf(HEADER, line('2020-02-03 12:00:00', '1', '81.2.69.1'), line('2020-02-03 11:00:00', '2', '81.2.69.1')),
    );
    expect(await playRba(rows, options)).toMatchObject({ rows: 2, outOfOrder: 1 });
  });

  it('With cookies, a log-in is let in by the token that the step-up before it earned', async () => {
    const { honest } = await play({ cookies: true });
    expect(honest.slice(1).reduce((sum, { asked }) => sum + asked, 0)).toBe(0);
  });
});
