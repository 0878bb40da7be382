import { EXACT } from './actions.ts';
import { comparisonsOf } from './condition.ts';
import type { DraftRule } from './draft-rule.ts';
import { MATCHES_INPUT_LIMIT } from './operators.ts';

/** Patterns on client-controlled texts of any length, where no rule tests the length. */
export function patternWarnings({ file, head, when }: DraftRule, drafts: readonly DraftRule[]): string[] {
  const guarded = (fact: string): boolean =>
    drafts.some((draft) =>
      [...comparisonsOf(draft.when)].some(
        (each) => each.fact === fact && each.operator === 'longer_than' && Number(each.operand) <= MATCHES_INPUT_LIMIT,
      ),
    );
  return [...comparisonsOf(when)].flatMap(({ fact, operator, path, measured }) => {
    if (operator !== 'matches' || (measured && fact !== 'resource.id') || guarded(fact)) return [];
    return `${file} › ${path} (rule ${head.id}): a text of more than ${MATCHES_INPUT_LIMIT} characters is unknown to this pattern; read all of it with starts_with, ends_with or contains, catch it with "longer_than": ${MATCHES_INPUT_LIMIT}, or let a route guard it`;
  });
}

const PARTIAL: readonly string[] = ['starts_with', 'ends_with', 'contains'];

/** Paths compared with `resource.id` that no request behind a gateway has. */
export function pathWarnings({ file, head, when }: DraftRule): string[] {
  return [...comparisonsOf(when)].flatMap(({ fact, operator, operand, path }) => {
    const isExact = EXACT.has(operator);
    if (fact !== 'resource.id' || !(isExact || PARTIAL.includes(operator))) return [];
    const texts = (Array.isArray(operand) ? operand : [operand]).filter((each) => typeof each === 'string');
    return texts.flatMap((text) => {
      const written = isExact ? text.toLowerCase().replace(/(?<=.)\/$/, '') : text.toLowerCase();
      if (written === text || !(isExact ? text.startsWith('/') : text.includes('/'))) return [];
      return `${file} › ${path} (rule ${head.id}): no request behind a gateway has "${text}" in its path: paths are lower case without a trailing slash; write "${written}"`;
    });
  });
}
