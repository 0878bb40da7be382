import type { Comparison, Condition, Group, Report } from './comparison.ts';
import { type FactType, type Held, OPERATORS, TRUE } from './operators.ts';
import { showFound } from './problems.ts';

/**
 * Reports conditions that no facts can make true. Sound but not complete: it examines what must hold together, fact by
 * fact, with numbers as intervals, and booleans and strings with known values as finite sets.
 */
export function reportContradictions(
  condition: Condition,
  inherited: readonly Comparison[],
  path: readonly PropertyKey[],
  report: Report,
): void {
  const comparisons = [...inherited];
  const others: Group[] = [];
  const collect = (each: Condition): void => {
    if (each.kind === 'comparison') comparisons.push(each);
    else if (each.kind === 'all') each.parts.forEach(collect);
    else others.push(each);
  };
  collect(condition);
  const byFact = Map.groupBy(comparisons, (each) => each.fact);
  for (const [fact, group] of byFact) {
    // Inherited conditions by themselves have been judged already.
    if (!group.some((each) => !inherited.includes(each))) continue;
    const why = contradiction(fact, group, comparisons);
    if (why === null) continue;
    report(path, 'never_binds', `Can never hold: ${why} (${group.map(writeComparison).join(', ')}).`);
    return;
  }
  for (const group of others) {
    // Inside a not, conditions are meant to fail together with the outer ones.
    const context = group.kind === 'any' ? comparisons : [];
    for (const part of group.parts) reportContradictions(part, context, path, report);
  }
}

function writeComparison({ fact, operator, operand }: Comparison): string {
  return `"${fact}" ${operator} ${showFound(operand)}`;
}

function contradiction(fact: string, group: readonly Comparison[], all: readonly Comparison[]): string | null {
  const absent = group.some((each) => each.operator === 'known' && each.operand === false);
  const compared =
    group.some((each) => each.operator !== 'known' || each.operand === true) ||
    all.some((each) => each.other?.fact === fact);
  if (absent && compared) return `"${fact}" cannot be unknown and compared`;
  const literal = group.filter((each) => each.judge !== null && !ABOUT_PRESENCE.has(each.operator));
  const types = new Set(literal.map(typeCompared));
  types.delete(null);
  if (types.size > 1) return `"${fact}" cannot be of several types`;
  const candidates = candidateValues(literal);
  if (candidates !== null) {
    const possible = candidates.some((value) => literal.every((each) => each.judge?.(value) === TRUE));
    return possible ? null : `no value of "${fact}" meets all`;
  }
  return fact === 'score' ? emptyInterval(literal, fact, 0, 100) : emptyInterval(literal, fact, -Infinity, Infinity);
}

/** Operators that test the presence or type of a value, not the value. */
const ABOUT_PRESENCE: ReadonlySet<string> = new Set(['known', 'is', 'is_not']);

/** The type that a value must have for the comparison to be known. */
function typeCompared({ operator, operand }: Comparison): FactType | null {
  const left = OPERATORS[operator]?.left ?? [];
  if (left.length === 1) return left[0] ?? null;
  const sample: unknown = Array.isArray(operand) ? operand[0] : operand;
  return typeof sample === 'number' || typeof sample === 'string' || typeof sample === 'boolean'
    ? (typeof sample as 'number' | 'string' | 'boolean')
    : null;
}

/** All values that could satisfy the comparisons, if finite. */
function candidateValues(comparisons: readonly Comparison[]): readonly Held[] | null {
  for (const { operator, operand } of comparisons) {
    if (operator === 'eq') return [operand as Held];
    if (operator === 'in' && Array.isArray(operand)) return operand;
    if (operator === 'ne' && typeof operand === 'boolean') return [!operand];
  }
  return comparisons[0]?.values ?? null;
}

function emptyInterval(comparisons: readonly Comparison[], fact: string, min: number, max: number): string | null {
  let low = min;
  let high = max;
  let open = false;
  for (const { operator, operand } of comparisons) {
    const [from, to] = operator === 'between' && Array.isArray(operand) ? operand : [operand, operand];
    if (typeof from !== 'number' || typeof to !== 'number') continue;
    if (['gt', 'gte', 'between'].includes(operator) && (from > low || (from === low && operator === 'gt'))) {
      low = from;
    }
    if (['lt', 'lte', 'between'].includes(operator) && (to < high || (to === high && operator === 'lt'))) {
      high = to;
    }
  }
  for (const { operator, operand } of comparisons) {
    if ((operator === 'gt' && operand === low) || (operator === 'lt' && operand === high)) open = true;
  }
  if (low < high || (low === high && !open)) return null;
  return fact === 'score' ? 'the score is between 0 and 100, and no number meets all' : `no number "${fact}" meets all`;
}
