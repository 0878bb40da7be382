import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The score of Freeman et al. (NDSS 2016), equation 7 without data of attacks, as Wiefling et al. (2022) published it and in closed
 * form. Familiarity starts from it, and departs from it where decision record 0033 says.
 * @see https://github.com/das-group/rba-algorithm
 */
const FEATURES = [
  { requestXRealIP: 0.6, ipASN: 0.3, ipCountry: 0.1 },
  {
    trackingdatauserAgent: 0.5386653840551359,
    browser_name_version: 0.2680451498625666,
    os_name_version: 0.18818295100109536,
    device_type: 0.0051065150812021525,
  },
];

interface Login {
  readonly userid: number;
  readonly [column: string]: string | number;
}

/** The risk of a log-in after others of all users; null for the first one of its user. */
function scoreOf(login: Login, past: readonly Login[]): number | null {
  const own = past.filter(({ userid }) => userid === login.userid);
  if (own.length === 0) return null;
  const like = (column: string, logins: readonly Login[]) => logins.filter((one) => one[column] === login[column]);
  const distinct = (column: string, logins: readonly Login[]) => new Set(logins.map((one) => one[column])).size;
  let score = past.length / (distinct('userid', past) * own.length);
  for (const weights of FEATURES) {
    const [first = '', ...coarser] = Object.keys(weights);
    // Room for what was never seen: one, and one for each value of the coarser columns.
    const unseen = (logins: readonly Login[]) => coarser.reduce((sum, column) => sum + distinct(column, logins), 1);
    const same = like(first, past);
    const within = Math.max(1, same.length);
    const smoothed =
      ((same.length === 0 ? 1 : same.length) / (same.length + unseen(same))) * (within / (past.length + unseen(past)));
    let local = 0;
    let everywhere = 0;
    for (const [column, weight] of Object.entries(weights)) {
      local += (weight * like(column, own).length) / own.length;
      everywhere += weight * (column === first ? smoothed : like(column, past).length / past.length);
    }
    score *= local === 0 ? 4 : everywhere / local;
  }
  return score;
}

const login = (userid: number, ip: string, asn: number, country: string, agent: string): Login => ({
  userid,
  requestXRealIP: ip,
  ipASN: asn,
  ipCountry: country,
  trackingdatauserAgent: agent,
  browser_name_version: agent,
  os_name_version: 'os',
  device_type: 'desktop',
});

describe('the published score', () => {
  it('By hand, for a user with one log-in before and one stranger', () => {
    const past = [login(1, 'a', 1, 'NO', 'x'), login(2, 'b', 2, 'NO', 'y')];
    // Address: 1 of 1 + 3 unseen among its own, times 1 of 2 + 4 unseen; provider 1 of 2; country 2 of 2.
    const address = 0.6 * ((1 / 4) * (1 / 6)) + 0.3 * (1 / 2) + 0.1;
    const agent =
      0.5386653840551359 * ((1 / 5) * (1 / 7)) +
      0.2680451498625666 * (1 / 2) +
      0.18818295100109536 +
      0.0051065150812021525;
    expect(scoreOf(login(1, 'a', 1, 'NO', 'x'), past)).toBeCloseTo((2 / 2) * address * agent, 12);
  });

  it('Is unknown for the first log-in of a user', () => {
    expect(scoreOf(login(3, 'a', 1, 'NO', 'x'), [login(1, 'a', 1, 'NO', 'x')])).toBeNull();
  });

  it('Rates a thief in the country of the victim below one from abroad, and both above the victim', () => {
    const past = [login(1, 'a', 1, 'NO', 'x'), login(1, 'a', 1, 'NO', 'x'), login(2, 'b', 2, 'SE', 'y')];
    const [victim = 0, near = 0, far = 0] = [
      login(1, 'a', 1, 'NO', 'x'),
      login(1, 'c', 3, 'NO', 'x'),
      login(1, 'c', 3, 'BR', 'x'),
    ].map((one) => scoreOf(one, past) ?? Number.NaN);
    expect(near).toBeGreaterThan(victim);
    expect(far).toBeGreaterThan(near);
  });

  const FILE = join(import.meta.dirname, '../../../../shared/facts/familiarity-golden.json');
  it.skipIf(!existsSync(FILE))('Is that of the authors’ notebook for 194 log-ins, to 1e-12', () => {
    const { rows, scores }: { rows: Login[]; scores: [number, number, number][] } = JSON.parse(
      readFileSync(FILE, 'utf8'),
    );
    expect(scores).toHaveLength(194);
    for (const [index, score] of scores) {
      const made = scoreOf(rows[index] as Login, rows.slice(0, index)) ?? Number.NaN;
      expect(Math.abs(made - score) / Math.max(1, score), `log-in ${index}`).toBeLessThan(1e-12);
    }
  });
});
