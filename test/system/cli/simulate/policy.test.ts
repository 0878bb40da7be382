import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../../../src/cli/simulate/report.ts';
import { simulate } from '../../../../src/cli/simulate/run.ts';
import { simulationParts } from '../../../../src/cli/simulate.ts';
import { writeSimulation } from '../../../../src/cli/simulation-report.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';
import { memoryStore } from '../../../../src/store/memory.ts';

const policy = compileRules(
  [{ name: 'default.json', text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8') }],
  FACT_CATALOG,
);
// Far fewer keys than the command keeps: nothing so small comes near the bound.
const parts = {
  ...simulationParts(),
  store: (now: () => number) => memoryStore({ now, maxKeys: 50_000, maxBytes: 2 ** 29 }),
};
const small = { seed: 'small', weeks: 5, peoplePerKind: 3, thievesPerClass: 12, samples: 20_000, countries: 20 };

describe('the default policy, played through the engine', () => {
  let report: Report;
  beforeAll(async () => {
    report = await simulate({ ...parts, rules: policy }, small);
  }, 300_000);

  it('The default policy, played through the engine asks honest people in at most one log-in of a hundred and denies none', () => {
    const logins = report.people.reduce((sum, { logins }) => sum + logins.total, 0);
    const asked = report.people.reduce((sum, { logins }) => sum + logins.asked, 0);
    expect(logins).toBeGreaterThan(1200);
    expect(asked / logins).toBeLessThanOrEqual(0.01);
    expect(report.people.map(({ logins, requests }) => logins.denied + requests.denied)).toEqual(
      report.people.map(() => 0),
    );
  });

  it('The default policy, played through the engine stops every thief within reach', () => {
    for (const { class: thief, thieves, stopped, withinReach } of report.thieves) {
      if (withinReach) expect(`${thief} ${stopped}`).toBe(`${thief} ${thieves}`);
    }
  });

  it('The default policy, played through the engine does not claim to see malware on the machine of the victim', () => {
    const malware = report.thieves.find(({ class: thief }) => thief === 'malware_on_machine');
    expect(malware?.withinReach).toBe(false);
    expect(malware?.succeeded).toBeGreaterThan(0);
  });

  it('The default policy, played through the engine names why it asked', () => {
    const codes = report.thieves.find(({ class: thief }) => thief === 'copied_fingerprint')?.reasons.map((r) => r.code);
    expect(codes).toEqual(expect.arrayContaining(['untrusted_device', 'new_network', 'medium_risk']));
  });

  it('The default policy, played through the engine prints a line for each kind and class', () => {
    const text = writeSimulation(report);
    for (const { kind } of report.people) expect(text).toContain(`\n${kind} `);
    for (const { class: thief } of report.thieves) expect(text).toContain(`\n${thief} `);
  });
});
