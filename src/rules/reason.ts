import type { Reason } from '../decision.ts';
import type { Facts, FactValue } from '../facts.ts';
import type { Comparison, Condition, Read } from './condition.ts';
import { FALSE, isFactValue, OPERATORS, TRUE, type Truth } from './operators.ts';

/** A piece of a description: text as it stands, or a fact whose value is put in. */
export type MessagePart = string | { readonly fact: string; readonly read: Read };

/** As much of a rule as its reason needs. */
export interface Told {
  readonly id: string;
  /** Reason code. */
  readonly code: string;
  readonly when: Condition;
  /** The description cut at its placeholders; empty when the rule has none. */
  readonly message: readonly MessagePart[];
}

/** Tells why a rule matched: its description with the values put in, else the comparisons that carried it. */
export function reasonOf(rule: Told, points: number, facts: Facts, score: number): Reason {
  const compared: { [name: string]: FactValue } = {};
  const carried: string[] = [];
  const describe = rule.message.length === 0;
  carriers(rule.when, TRUE, facts, score, (comparison, holds) => {
    keep(compared, comparison.fact, comparison.read(facts, score));
    const other = operandFactOf(comparison);
    if (other !== null && comparison.readOperand !== null) keep(compared, other, comparison.readOperand(facts, score));
    if (describe) carried.push(writeComparison(comparison, holds, facts, score));
  });
  let message = describe ? carried.join(', ') || 'always' : '';
  for (const part of rule.message) {
    if (typeof part === 'string') message += part;
    else {
      const value = part.read(facts, score);
      keep(compared, part.fact, value);
      message += showValue(value);
    }
  }
  return { code: rule.code, rule: rule.id, points, message, facts: compared };
}

/** Visits the comparisons that make a condition come out as wanted; those beside the point are left out. */
function carriers(
  condition: Condition,
  wanted: Truth,
  facts: Facts,
  score: number,
  visit: (comparison: Comparison, holds: boolean) => void,
): void {
  if (condition.kind === 'comparison') visit(condition, wanted === TRUE);
  else {
    const inner = condition.kind === 'not' ? (wanted === TRUE ? FALSE : TRUE) : wanted;
    for (const part of condition.parts) {
      if (part.test(facts, score) === inner) carriers(part, inner, facts, score, visit);
    }
  }
}

function keep(into: { [name: string]: FactValue }, name: string, value: unknown): void {
  if (isFactValue(value)) into[name] = value;
}

function operandFactOf({ operand }: Comparison): string | null {
  if (typeof operand !== 'object' || operand === null || !('fact' in operand)) return null;
  return typeof operand.fact === 'string' ? operand.fact : null;
}

function writeComparison(comparison: Comparison, holds: boolean, facts: Facts, score: number): string {
  const { fact, operator, operand, read, readOperand } = comparison;
  if (operator === 'known') return (operand === true) === holds ? `${fact} is known` : `${fact} is unknown`;
  const other = operandFactOf(comparison);
  // A value that equals the operand need not be written twice.
  if (operator === 'eq' && other === null && holds) return `${fact} = ${showValue(operand)}`;
  const right = other === null ? showValue(operand) : `${other} ${showValue(readOperand?.(facts, score))}`;
  const written = `${fact} ${showValue(read(facts, score))} ${OPERATORS[operator]?.sign ?? operator} ${right}`;
  return holds ? written : `not ${written}`;
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** Numbers with thousands separated and at most two decimals, lists and strings cut where nobody would read on. */
function showValue(value: unknown): string {
  if (typeof value === 'number') {
    return Number.isInteger(value) && value > -1000 && value < 1000 ? String(value) : grouped.format(value);
  }
  if (typeof value === 'string') return value.length <= 80 ? value : `${value.slice(0, 77)}...`;
  if (typeof value === 'boolean') return String(value);
  if (!Array.isArray(value)) return 'unknown';
  const shown = value.slice(0, 5).map(showValue).join(', ');
  return value.length > 5 ? `[${shown}, …]` : `[${shown}]`;
}
