import { type Checked, check } from '../check.ts';
import { DECISIONS } from '../decision.ts';
import type { Engine } from '../engine.ts';
import type { CheckRequest } from '../request.ts';

/** Checks one request under every action that it may be. `actions` is not empty. */
export interface StrictestCheck extends Checked {
  /** The request under the action that decided. */
  readonly request: CheckRequest;
}

/**
 * The strictest decision among the candidate actions. With several, all are tried without counting first and only the one
 * that decides is then checked for real: the attempt counts once, a proof is spent once, and only the final decision teaches.
 */
export async function checkStrictest(
  engine: Engine,
  request: Omit<CheckRequest, 'action'>,
  actions: readonly string[],
): Promise<StrictestCheck> {
  const under = actions.map((action): CheckRequest => ({ ...request, action }));
  const [first = { ...request, action: '' }, ...others] = under;
  if (others.length === 0) return { ...(await check(engine, first)), request: first };
  const trials = await Promise.all(
    under.map(async (candidate) => ({ request: candidate, ...(await check(engine, { ...candidate, dryRun: true })) })),
  );
  const trial = trials.reduce((strictest, other) => (rank(other) > rank(strictest) ? other : strictest));
  if (request.dryRun) return trial;
  const real = { ...(await check(engine, trial.request)), request: trial.request };
  return severity(real) >= severity(trial) ? real : trial;
}

function severity({ result }: Checked): number {
  return DECISIONS.indexOf(result.decision);
}

/** Among equal decisions the one that spends a proof comes first, so that trying the others cannot save the spending. */
function rank(checked: Checked): number {
  const { stepUp } = checked.result;
  const spends = stepUp?.satisfied === true ? (stepUp.requirement.singleUse ? 2 : 1) : 0;
  return severity(checked) * 4 + spends;
}
