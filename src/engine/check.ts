import type { CheckRequest } from '../model/request.ts';
import { assess, withoutSession } from './assess.ts';
import type { Engine } from './engine.ts';
import { judgeStrictest } from './judge.ts';
import { type Checked, settlement } from './settle.ts';

/**
 * One check: assess (observe, ask the store while the proof is verified, measure), judge (rules, floor, proof; pure,
 * once per candidate), settle (spend, name the device, answer). One network wait; a second one only to spend a
 * single-use proof. A failing store never makes it reject.
 *
 * `others` are the same request under other actions or resource ids, if the origin may take it for any of them: each is
 * judged, and the strictest decision wins.
 */
export async function check(
  engine: Engine,
  request: CheckRequest,
  others: readonly CheckRequest[] = NONE,
): Promise<Checked> {
  const rules = engine.rules();
  const assessment = await assess(engine, request);
  const { request: judged } = assessment.observation;
  const code = judged === request ? null : (judged.credential?.code ?? '');
  const rest = code === null ? others : others.map((other) => withoutSession(other, code));
  const judgement = judgeStrictest(rules, assessment, judged, rest);
  return settlement(engine)(judgement);
}

const NONE: readonly CheckRequest[] = [];
