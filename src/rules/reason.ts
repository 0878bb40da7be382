import type { Reason } from '../model/decision.ts';
import type { Facts, FactValue } from '../model/facts.ts';
import type { Comparison, Condition, Read } from './comparison.ts';
import { FALSE, isFactValue, OPERATORS, TRUE, type Truth } from './operators.ts';

/** A piece of a description: literal text, or a fact whose value is inserted. */
export type MessagePart = string | { readonly fact: string; readonly read: Read };

/** The parts of a rule that its reason is made of. */
export interface Explained {
  readonly id: string;
  /** Reason code. */
  readonly code: string;
  readonly when: Condition;
  /** The description split at its placeholders; empty without a description. */
  readonly message: readonly MessagePart[];
}

/** Why a rule matched: its description with values filled in, else the comparisons that made it match. */
export function reasonOf(rule: Explained, points: number, facts: Facts, score: number): Reason {
  const compared: { [name: string]: FactValue } = {};
  const carried = carriers(rule.when, TRUE, facts, score, compared, rule.message.length === 0);
  let message = rule.message.length === 0 ? carried || 'always' : '';
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

/**
 * Collects into `compared` the values of the comparisons that give a condition the wanted result, and shows them in its
 * description; irrelevant ones are left out.
 */
function carriers(
  condition: Condition,
  wanted: Truth,
  facts: Facts,
  score: number,
  compared: { [name: string]: FactValue },
  describe: boolean,
): string {
  if (condition.kind === 'comparison') {
    const value = condition.read(facts, score);
    keep(compared, condition.fact, value);
    const other = condition.other?.read(facts, score);
    if (condition.other !== null) keep(compared, condition.other.fact, other);
    return describe ? writeComparison(condition, wanted === TRUE, value, other) : '';
  }
  const inner = condition.kind === 'not' ? (wanted === TRUE ? FALSE : TRUE) : wanted;
  // A matched all needed every part, as does a failed any; otherwise only the parts with that result.
  const every = condition.kind === 'not' || (condition.kind === 'all') === (wanted === TRUE);
  let written = '';
  for (const part of condition.parts) {
    if (!every && part.test(facts, score) !== inner) continue;
    const one = carriers(part, inner, facts, score, compared, describe);
    written = written === '' ? one : one === '' ? written : `${written}, ${one}`;
  }
  return written;
}

function keep(into: { [name: string]: FactValue }, name: string, value: unknown): void {
  if (isFactValue(value)) into[name] = value;
}

function writeComparison(comparison: Comparison, holds: boolean, value: unknown, otherValue: unknown): string {
  const { fact, operator, operand, other, shown } = comparison;
  if (operator === 'known') return (operand === true) === holds ? `${fact} is known` : `${fact} is unknown`;
  // The value equals the operand: write it once.
  if (operator === 'eq' && other === null && holds) return `${fact} ${shown}`;
  if (other === null) return `${holds ? '' : 'not '}${fact} ${showValue(value)} ${shown}`;
  const sign = OPERATORS[operator]?.sign ?? operator;
  return `${holds ? '' : 'not '}${fact} ${showValue(value)} ${sign} ${other.fact} ${showValue(otherValue)}`;
}

/** Numbers with thousands separators and at most two decimals; long lists and strings are cut. */
export function showValue(value: unknown): string {
  if (typeof value === 'number') {
    return value > -1000 && value < 1000 ? showSmall(value) : showLarge(value);
  }
  if (typeof value === 'string') return value.length <= 80 ? value : `${value.slice(0, 77)}...`;
  if (typeof value === 'boolean') return String(value);
  if (!Array.isArray(value)) return typeof value === 'object' && value !== null ? 'an object' : 'unknown';
  const shown = value.slice(0, 5).map(showValue).join(', ');
  return value.length > 5 ? `[${shown}, …]` : `[${shown}]`;
}

/** Intl could do this, but loading it costs a Worker a tenth of its start-up time. */
function showLarge(value: number): string {
  // From here on numbers have no fraction and are written with an exponent.
  if (!(Math.abs(value) < 1e21)) return String(value);
  const [whole = '', fraction = ''] = value.toFixed(2).split('.');
  const decimals = fraction.replace(/0+$/, '');
  const groups = whole.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return decimals === '' ? groups : `${groups}.${decimals}`;
}

/** Formatting a fraction costs more than the rest of a reason, so whole numbers take a shortcut. */
function showSmall(value: number): string {
  const hundredths = Math.round(Math.abs(value) * 100);
  const sign = value < 0 && hundredths > 0 ? '-' : '';
  const fraction = hundredths % 100;
  const whole = `${sign}${(hundredths - fraction) / 100}`;
  if (fraction === 0) return whole;
  return fraction % 10 === 0 ? `${whole}.${fraction / 10}` : `${whole}.${fraction < 10 ? '0' : ''}${fraction}`;
}
