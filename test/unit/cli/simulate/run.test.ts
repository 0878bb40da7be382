import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { chartOf } from '../../../../src/cli/simulate/chart.ts';
import { simulateOnCores } from '../../../../src/cli/simulate/cores.ts';
import { simulationParts } from '../../../../src/cli/simulate/drivers.ts';
import { KINDS } from '../../../../src/cli/simulate/people/kinds.ts';
import type { MixReport, Report } from '../../../../src/cli/simulate/report.ts';
import { type SimulationSize, simulate } from '../../../../src/cli/simulate/run.ts';
import { THIEF_CLASSES } from '../../../../src/cli/simulate/thieves.ts';
import { writeSimulation } from '../../../../src/cli/simulation-report.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';

const defaultRules = {
  name: 'default.json',
  text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8'),
};
const policy = compileRules([defaultRules], FACT_CATALOG);
const idle =
  '{"version": 1, "undeclared": "allow", "rules": [{"id": "idle", "when": {"action": "nothing"}, "then": {"points": 1}}]}';
const lenient = compileRules([{ name: 'idle.json', text: idle }], FACT_CATALOG);
const parts = simulationParts();
const tiny: SimulationSize = {
  seeds: ['tiny'],
  mixes: ['bank'],
  people: 1,
  victims: 2,
  span: 0.1,
  samples: 20_000,
  countries: 16,
};

function only({ mixes: [mix] }: Report): MixReport {
  if (mix === undefined) throw new Error('the report has no mix');
  return mix;
}

describe('a report', () => {
  let report: Report;
  let bank: MixReport;
  beforeAll(async () => {
    report = await simulate({ ...parts, rules: policy }, tiny);
    bank = only(report);
  }, 300_000);

  it('The causes of a report add up to what was asked', () => {
    const sum = bank.causes.reduce((total, { share }) => total + share, 0);
    expect(sum).toBeCloseTo(bank.all.asked.later, 9);
  });

  it('A report has a line for each kind, class and bar', () => {
    const text = writeSimulation(report);
    for (const kind of KINDS) expect(text).toContain(`\n${kind} `);
    for (const thief of THIEF_CLASSES) expect(text).toContain(`\n${thief} `);
    for (const { met, what } of bank.bars)
      expect(text).toMatch(new RegExp(`^${met ? 'met' : 'MISSED'} .*${what.slice(0, 20)}`, 'm'));
  });

  it('A chart names every class and needs nothing from elsewhere', () => {
    const chart = chartOf(report);
    expect(chart).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 860 \d+"/);
    expect(chart).toContain('prefers-color-scheme: dark');
    for (const thief of THIEF_CLASSES) expect(chart).toContain(`>${thief.replaceAll('_', ' ')}<`);
    expect(chart).not.toMatch(/NaN|undefined|href/);
  });
});

describe('simulate', () => {
  it('A simulation gives the same report for the same seed on any number of cores', async () => {
    const one = await simulate({ ...parts, rules: policy }, tiny);
    const again = await simulateOnCores({ rules: [defaultRules], size: tiny }, policy.revision, 3, () => undefined);
    expect(again).toEqual(one);
  }, 600_000);

  it('Several seeds are added up, each with people of its own', async () => {
    const small = { ...tiny, span: 0.03, victims: 1 };
    const reports = await Promise.all(
      [['a'], ['b'], ['a', 'b']].map((seeds) => simulate({ ...parts, rules: policy }, { ...small, seeds })),
    );
    const [a, b, both] = reports.map(only);
    if (a === undefined || b === undefined || both === undefined) throw new Error('a report is missing');
    expect(a.logins).not.toBe(b.logins);
    expect(both.logins).toBe(a.logins + b.logins);
    expect(both.people).toBe(2 * a.people);
    for (const [index, thief] of both.thieves.entries()) {
      expect(thief.thieves).toBe((a.thieves[index]?.thieves ?? 0) + (b.thieves[index]?.thieves ?? 0));
    }
  }, 600_000);

  it('A simulation says how far it has come, and which bars a policy misses that lets everybody in', async () => {
    const told: number[] = [];
    const report = only(
      await simulate({ ...parts, rules: lenient }, { ...tiny, victims: 1 }, (share) => told.push(share)),
    );
    expect(told.at(-1)).toBe(1);
    expect(told.toSorted((a, b) => a - b)).toEqual(told);
    expect(report.thieves.every(({ best, thieves }) => best === thieves)).toBe(true);
    expect(report.all.asked).toEqual({ first: 0, early: 0, later: 0 });
    expect(report.bars.filter(({ met }) => !met).map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        'regular classes of thieves stopped, each',
        'thieves without a token: let in at the first try, each class',
      ]),
    );
  }, 300_000);
});
