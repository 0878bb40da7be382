/** Stable code of a problem in a rule file. */
export type RuleProblemCode =
  /** A step-up rule requires an acr value that no issuer ranks. */
  | 'acr_unranked'
  /** A file extends one that is not among the rule files. */
  | 'base_missing'
  | 'file_unreadable'
  | 'json_empty'
  | 'json_syntax'
  | 'json_nesting'
  | 'json_duplicate_key'
  | 'json_forbidden_key'
  | 'shape'
  | 'unknown_key'
  | 'unknown_fact'
  | 'unknown_operator'
  | 'unknown_value'
  | 'unknown_action'
  | 'operand'
  | 'operator_type'
  | 'pattern'
  | 'empty_condition'
  | 'score_in_scoring_rule'
  | 'never_binds'
  | 'duplicate_id'
  | 'duplicate_file'
  | 'over_unknown'
  | 'over_cycle'
  | 'conflict'
  | 'no_rules';

/** One problem: what is wrong, where, and what to do. */
export interface RuleProblem {
  readonly file: string;
  /** Id of the rule; null when the problem is outside of rules or the rule has no usable id. */
  readonly rule: string | null;
  /** Path from the root of the file, as in JavaScript: `rules[3].when["travel.speed_kmh"].gt`; empty for the whole file. */
  readonly path: string;
  readonly code: RuleProblemCode;
  readonly message: string;
  /** The allowed word most similar to the one found. */
  readonly nearest?: string;
}

/** Thrown when rule files are rejected; `problems` has all problems, grouped by file. */
export class RulesError extends Error {
  override readonly name = 'RulesError';
  readonly code = 'rules_invalid';
  readonly problems: readonly RuleProblem[];

  constructor(problems: readonly RuleProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(`The rules were rejected: ${count}.\n${problems.map(describeProblem).join('\n')}`);
    this.problems = problems;
  }
}

/** One line for people: `default.json › rules[0].when.speed (fast): message [code]`. */
export function describeProblem(problem: RuleProblem): string {
  const place = problem.path === '' ? problem.file : `${problem.file} › ${problem.path}`;
  const rule = problem.rule === null ? '' : ` (rule ${problem.rule})`;
  const hint = problem.nearest === undefined ? '' : ` Did you mean "${problem.nearest}"?`;
  return `${place}${rule}: ${problem.message}${hint} [${problem.code}]`;
}

/** Writes a path as JavaScript would: `rules[3].when["travel.speed_kmh"]`. */
export function formatPath(segments: readonly PropertyKey[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(String(segment))) path += path === '' ? String(segment) : `.${String(segment)}`;
    else path += `[${JSON.stringify(String(segment))}]`;
  }
  return path;
}

/** Shows a value that was found, in at most 60 characters. */
export function showFound(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/**
 * The candidate with the smallest edit distance to a word, ignoring case, if it is close: at most a third of the word's
 * length and at most four edits. Ties go to the first candidate.
 */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  // One edit is half of a two-letter word, so only case may differ.
  const most = word.length < 3 ? 0 : Math.min(4, Math.floor(word.length / 3));
  return nearest(word, candidates, most);
}

/**
 * The candidate of which an unknown word is a typo: another case, one edit, or two in a word of at least twelve
 * letters. Names that differ only in digits are meant to differ.
 */
export function nearMiss(word: string, candidates: Iterable<string>): string | undefined {
  const undigited = word.replace(/\d/g, '');
  const others = [...candidates].filter((each) => each !== word && each.replace(/\d/g, '') !== undigited);
  return nearest(word, others, word.length < 3 ? 0 : word.length < 12 ? 1 : 2);
}

function nearest(word: string, candidates: Iterable<string>, most: number): string | undefined {
  // A longer word is not a typo, and comparing it with every name is expensive.
  if (word.length > 80) return undefined;
  let best: string | undefined;
  let bestDistance = most + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance || (distance === bestDistance && best !== undefined && candidate < best)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each count as one edit. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
