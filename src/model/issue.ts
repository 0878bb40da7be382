import type * as z from 'zod';

/** Where an issue is, from the root of the value: `device.components[0]`; empty for the value itself. */
export function issuePath(path: readonly PropertyKey[]): string {
  return below(path).replace(/^\./, '');
}

/** What is wrong and what is allowed, to be read after a path or a name. Parse with `reportInput`, or nothing is ever missing. */
export function issueText(issue: z.core.$ZodIssue): string {
  const { code, input, message } = issue;
  if (input === undefined && issue.path.length > 0 && (code === 'invalid_type' || code === 'invalid_value')) {
    return `is missing; ${message.replace(/^Invalid \w+: /, '').replace(/, received undefined$/, '')}`;
  }
  if (code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** The same after where it is, to be read after the name of the value: `.keys[0].name is missing; …`. */
export function issueSentence(issue: z.core.$ZodIssue): string {
  return issue.path.length === 0 ? issueText(issue) : `${below(issue.path)} ${issueText(issue)}`;
}

function below(path: readonly PropertyKey[]): string {
  return path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
}
