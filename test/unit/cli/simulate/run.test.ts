import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simulate } from '../../../../src/cli/simulate/run.ts';
import { simulationParts } from '../../../../src/cli/simulate.ts';
import { compileRules } from '../../../../src/rules/compile.ts';
import { FACT_CATALOG } from '../../../../src/signals/index.ts';
import { memoryStore } from '../../../../src/store/memory.ts';

const policy = compileRules(
  [{ name: 'default.json', text: readFileSync(new URL('../../../../rules/default.json', import.meta.url), 'utf8') }],
  FACT_CATALOG,
);
const idle =
  '{"version": 1, "undeclared": "allow", "rules": [{"id": "idle", "when": {"action": "nothing"}, "then": {"points": 1}}]}';
const lenient = compileRules([{ name: 'idle.json', text: idle }], FACT_CATALOG);
// Far fewer keys than the command keeps: nothing so small comes near the bound.
const parts = {
  ...simulationParts(),
  store: (now: () => number) => memoryStore({ now, maxKeys: 50_000, maxBytes: 2 ** 29 }),
};
describe('a simulation', () => {
  const tiny = { seed: 'tiny', weeks: 2, peoplePerKind: 1, thievesPerClass: 1, samples: 20_000, countries: 20 };

  it('A simulation gives the same report for the same seed', async () => {
    const play = () => simulate({ ...parts, rules: policy }, tiny);
    expect(await play()).toEqual(await play());
  }, 300_000);

  it('A simulation tells how far it is, and reports the bars that a policy that judges nothing misses', async () => {
    const told: [number, number][] = [];
    const onProgress = (...step: [number, number]) => told.push(step);
    const report = await simulate({ ...parts, rules: lenient, onProgress }, tiny);
    const [done, total] = told.at(-1) ?? [0, -1];
    expect(done).toBe(total);
    expect(report.misses).toContain('foreign_new_device: 0.00 % stopped, at least 99 % is wanted');
    expect(report.thieves.every(({ stopped }) => stopped === 0)).toBe(true);
    expect(report.people.every(({ logins }) => logins.asked === 0)).toBe(true);
  }, 300_000);
});
