import type { CheckRequest } from '../model/request.ts';
import { assess } from './assess.ts';
import type { Engine } from './engine.ts';
import { judgeStrictest } from './judge.ts';
import { type Checked, type OneRequest, oneRequest, settle } from './settle.ts';

/** What a check is part of. */
export interface CheckOptions {
  /**
   * The same request under another action or resource id, where it cannot be told which of them the origin will take it for: each is
   * judged, and the strictest decision holds.
   */
  readonly others?: readonly CheckRequest[];
  /** Shared by checks that belong to one request. */
  readonly together?: OneRequest;
}

/**
 * One check: assess (observe, ask the store while the proof is verified, measure), judge (rules, floor, proof; pure, once for each
 * candidate), settle (spend, name the device, answer). One network wait; a second one only to spend a single-use proof. Never
 * rejects on the store's account.
 */
export async function check(
  engine: Engine,
  request: CheckRequest,
  { others = [], together = oneRequest() }: CheckOptions = {},
): Promise<Checked> {
  const rules = engine.rules();
  const assessment = await assess(engine, request);
  const judgement = judgeStrictest(rules, assessment, [request, ...others]);
  return settle(engine, assessment, judgement, together);
}
