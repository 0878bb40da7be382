import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { simulationParts } from '../../../../src/cli/simulate/drivers.ts';
import type { MixReport, ThiefReport } from '../../../../src/cli/simulate/report.ts';
import { type SimulationSize, simulate } from '../../../../src/cli/simulate/run.ts';
import type { ThiefClass } from '../../../../src/cli/simulate/thieves.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';

const policy = compileRules(
  [{ name: 'default.json', text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8') }],
  FACT_CATALOG,
);
const small: SimulationSize = {
  seeds: ['small'],
  mixes: ['bank'],
  people: 1,
  victims: 24,
  span: 1,
  samples: 20_000,
  countries: 20,
};

describe('the default policy, played through the engine', () => {
  let bank: MixReport;
  beforeAll(async () => {
    const { mixes } = await simulate({ ...simulationParts(), rules: policy }, small);
    const [mix] = mixes;
    if (mix === undefined) throw new Error('the report has no mix');
    bank = mix;
  }, 300_000);

  const classOf = (thief: ThiefClass): ThiefReport => {
    const found = bank.thieves.find((one) => one.class === thief);
    if (found === undefined) throw new Error(`the report has no ${thief}`);
    return found;
  };

  it('The default policy asks people of the regular kinds without a VPN who come twice a day in at most one log-in of a hundred and denies none', () => {
    // Whoever has no key is asked behind each VPN exit, and one such person is many of so few.
    const regular = bank.kinds.filter(({ kind, regular: is }) => is && !kind.startsWith('vpn_'));
    const logins = regular.reduce((sum, { later }) => sum + later.often.logins, 0);
    const asked = regular.reduce((sum, { later }) => sum + later.often.asked, 0);
    expect(logins).toBeGreaterThan(1000);
    expect(asked / logins).toBeLessThanOrEqual(0.01);
    expect(bank.denied).toBe(0);
  });

  it('The default policy stops every thief of a regular class', () => {
    for (const { class: thief, thieves, best, regular } of bank.thieves) {
      if (regular) expect(`${thief} ${thieves - best}`).toBe(`${thief} ${thieves}`);
    }
  });

  it('A simulation does not claim to see malware on the machine of the victim', () => {
    expect(classOf('malware_on_machine').best).toBeGreaterThan(0);
    expect(classOf('malware_on_machine').measure).toBe('open');
  });

  it('A thief who was only asked and can answer is not counted as stopped', () => {
    for (const thief of ['sim_swap_with_code', 'relayed_factor'] as const) {
      const { best, answered, thieves } = classOf(thief);
      expect(best).toBe(0);
      // A few are denied, or their victim gives up.
      expect(answered).toBeGreaterThan(0.9 * thieves);
    }
  });

  it('A thief with a copied token is let in only in the city of the victim and where the browser has no key, and never pays', () => {
    const { best, keyed, took } = classOf('token_same_city');
    expect(best).toBeGreaterThan(0);
    expect(keyed.thieves).toBeGreaterThan(0);
    expect(keyed.best).toBe(0);
    expect(took).toBe(0);
    for (const { measure, class: thief, best: abroad } of bank.thieves) {
      if (measure === 'token_abroad' || measure === 'token_bare') expect(`${thief} ${abroad}`).toBe(`${thief} 0`);
    }
  });

  it('Each class of thieves tries only victims that it can rob', () => {
    expect(classOf('copied_fingerprint').thieves).toBe(small.victims);
    expect(classOf('colleague_same_image').thieves).toBe(small.victims / 8);
    expect(classOf('token_same_city').thieves).toBeLessThanOrEqual(small.victims);
  });

  it('A simulation names why a thief was asked', () => {
    const codes = classOf('copied_fingerprint').reasons.map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['untrusted_device', 'new_network', 'medium_risk']));
  });

  it('The default policy asks everybody at the first log-in, and clients that show no device at each', () => {
    expect(bank.all.asked.first).toBe(1);
    const plain = bank.kinds.find(({ kind }) => kind === 'native_app_plain');
    expect(plain?.asked.later).toBe(1);
    expect(plain?.causes).toEqual([{ cause: 'no_fingerprint', share: 1 }]);
  });

  it('A simulation finds the tokens of private windows lost, and those of Brave to fit once they have been asked', () => {
    const causeOf = (kind: string): string | undefined => bank.kinds.find((one) => one.kind === kind)?.causes[0]?.cause;
    expect(bank.kinds.find((one) => one.kind === 'brave')?.asked.later).toBeLessThan(0.05);
    expect(causeOf('private_windows')).toBe('cookie_lost');
  });
});
