import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { chartOf } from '../../../../src/cli/simulate/chart.ts';
import { KINDS } from '../../../../src/cli/simulate/people/kinds.ts';
import type { MixReport, Report, ThiefReport } from '../../../../src/cli/simulate/report.ts';
import { type SimulationSize, simulate, simulateIn, worldOf } from '../../../../src/cli/simulate/run.ts';
import { THIEF_CLASSES, type ThiefClass } from '../../../../src/cli/simulate/thieves.ts';
import { simulationParts } from '../../../../src/cli/simulate.ts';
import { writeSimulation } from '../../../../src/cli/simulation-report.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';

const policy = compileRules(
  [{ name: 'default.json', text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8') }],
  FACT_CATALOG,
);
const idle =
  '{"version": 1, "undeclared": "allow", "rules": [{"id": "idle", "when": {"action": "nothing"}, "then": {"points": 1}}]}';
const lenient = compileRules([{ name: 'idle.json', text: idle }], FACT_CATALOG);
const parts = simulationParts();
const tiny: SimulationSize = {
  seed: 'tiny',
  mixes: ['bank'],
  people: 1,
  victims: 2,
  span: 0.1,
  samples: 20_000,
  countries: 16,
};
const world = worldOf(parts, tiny);
const small: SimulationSize = { ...tiny, seed: 'small', victims: 10, span: 0.35 };

function only({ mixes: [mix] }: Report): MixReport {
  if (mix === undefined) throw new Error('the report has no mix');
  return mix;
}

describe('the default policy, played through the engine', () => {
  let report: Report;
  let bank: MixReport;
  beforeAll(async () => {
    report = await simulateIn(world, { ...parts, rules: policy }, small);
    bank = only(report);
  }, 300_000);

  const classOf = (thief: ThiefClass): ThiefReport => {
    const found = bank.thieves.find((one) => one.class === thief);
    if (found === undefined) throw new Error(`the report has no ${thief}`);
    return found;
  };

  it('asks people of the regular kinds who come twice a day in at most one log-in of a hundred and denies none', () => {
    const regular = bank.kinds.filter((kind) => kind.regular);
    const logins = regular.reduce((sum, { later }) => sum + later.often.logins, 0);
    const asked = regular.reduce((sum, { later }) => sum + later.often.asked, 0);
    expect(logins).toBeGreaterThan(300);
    expect(asked / logins).toBeLessThanOrEqual(0.01);
    expect(bank.denied).toBe(0);
  });

  it('stops every thief of a regular class', () => {
    for (const { class: thief, thieves, best, regular } of bank.thieves) {
      if (regular) expect(`${thief} ${thieves - best}`).toBe(`${thief} ${thieves}`);
    }
  });

  it('does not claim to see malware on the machine of the victim', () => {
    expect(classOf('malware_on_machine').best).toBeGreaterThan(0);
    expect(classOf('malware_on_machine').measure).toBe('open');
  });

  it('does not count a thief as stopped who was only asked and can answer', () => {
    for (const thief of ['sim_swap_with_code', 'relayed_factor'] as const) {
      expect(classOf(thief).best).toBe(0);
      expect(classOf(thief).answered).toBe(classOf(thief).thieves);
    }
  });

  it('lets in thieves with a copied token, who go on to a payment', () => {
    expect(classOf('token_same_city').best).toBeGreaterThan(0);
    expect(classOf('token_same_city').took).toBeGreaterThan(0);
  });

  it('tries only victims that a class can rob', () => {
    expect(classOf('copied_fingerprint').thieves).toBe(small.victims);
    expect(classOf('colleague_same_image').thieves).toBe(2);
    expect(classOf('token_same_city').thieves).toBeLessThanOrEqual(small.victims);
  });

  it('names why it asked', () => {
    const codes = classOf('copied_fingerprint').reasons.map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['untrusted_device', 'new_network', 'medium_risk']));
  });

  it('asks everybody at the first log-in, and clients without a fingerprint at each', () => {
    expect(bank.all.asked.first).toBe(1);
    const plain = bank.kinds.find(({ kind }) => kind === 'native_app_plain');
    expect(plain?.asked.later).toBe(1);
    expect(plain?.causes).toEqual([{ cause: 'no_fingerprint', share: 1 }]);
  });

  it('finds the tokens of Brave not to fit, and those of private windows lost', () => {
    const causeOf = (kind: string): string | undefined => bank.kinds.find((one) => one.kind === kind)?.causes[0]?.cause;
    expect(causeOf('brave')).toBe('token_does_not_fit');
    expect(causeOf('private_windows')).toBe('cookie_lost');
  });

  it('has causes that add up to what was asked', () => {
    const sum = bank.causes.reduce((total, { share }) => total + share, 0);
    expect(sum).toBeCloseTo(bank.all.asked.later, 9);
  });

  it('prints a line for each kind, class and bar', () => {
    const text = writeSimulation(report);
    for (const kind of KINDS) expect(text).toContain(`\n${kind} `);
    for (const thief of THIEF_CLASSES) expect(text).toContain(`\n${thief} `);
    for (const { met, what } of bank.bars) expect(text).toMatch(new RegExp(`^${met ? 'met' : 'MISSED'} .*${what.slice(0, 20)}`, 'm'));
  });

  it('draws a chart that names every class and needs nothing from elsewhere', () => {
    const chart = chartOf(report);
    expect(chart).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 860 \d+"/);
    expect(chart).toContain('prefers-color-scheme: dark');
    for (const thief of THIEF_CLASSES) expect(chart).toContain(`>${thief.replaceAll('_', ' ')}<`);
    expect(chart).not.toMatch(/NaN|undefined|href/);
  });
});

describe('simulate', () => {
  it('gives the same report for the same seed and another one for another', async () => {
    const one = await simulate({ ...parts, rules: policy }, tiny);
    const play = (seed: string) => simulateIn(world, { ...parts, rules: policy }, { ...tiny, seed });
    const [again, other] = [await play(tiny.seed), await play('other')];
    expect(again).toEqual(one);
    expect(other.mixes).not.toEqual(one.mixes);
  }, 300_000);

  it('says which bars a policy misses that lets everybody in, and how far it has come', async () => {
    const told: [number, number][] = [];
    const report = only(
      await simulateIn(world, { ...parts, rules: lenient }, { ...tiny, victims: 1 }, (_what, done, total) =>
        told.push([done, total]),
      ),
    );
    const [done, total] = told.at(-1) ?? [0, -1];
    expect(done).toBe(total);
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
