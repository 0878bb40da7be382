import type { CheckRequest } from '../model/request.ts';
import { assess } from './assess.ts';
import type { Engine } from './engine.ts';
import { judgeStrictest } from './judge.ts';
import { type Checked, settlement } from './settle.ts';

/**
 * One check: assess (observe, ask the store while the proof is verified, measure), judge (rules, floor, proof; pure, once for each
 * candidate), settle (spend, name the device, answer). One network wait; a second one only to spend a single-use proof. Never
 * rejects on the store's account.
 *
 * `others` are the same request under another action or resource id, where it is not certain which of them the origin takes it for: each
 * is judged, and the strictest decision holds.
 */
export async function check(
  engine: Engine,
  request: CheckRequest,
  others: readonly CheckRequest[] = [],
): Promise<Checked> {
  const rules = engine.rules();
  const assessment = await assess(engine, request);
  const judgement = judgeStrictest(rules, assessment, [request, ...others]);
  return settlement(engine)(judgement);
}
