import type { FactCatalog, FactValue } from '../model/facts.ts';
import type { CheckRequest } from '../model/request.ts';

/** Facts of the request itself. They belong to no signal, so they have no state and are not in answers. */
export const REQUEST_FACTS: FactCatalog = {
  action: { type: 'string', meaning: 'What the subject wants to do' },
  'subject.id': { type: 'string', meaning: 'Normalised subject id; unknown for an anonymous request' },
  'subject.type': { type: 'string', meaning: 'Type of the subject; default `user`' },
  'subject.space': { type: 'string', meaning: 'Subject space: `subjects` in STEP_UP_ISSUERS' },
  'resource.type': { type: 'string', meaning: 'Type of the resource' },
  'resource.id': { type: 'string', meaning: 'Id of the resource' },
  'request.hour': { type: 'number', unit: 'h', meaning: 'Hour of the day, 0..23, in UTC' },
  'request.weekday': { type: 'number', unit: '1', meaning: 'Day of the week in UTC, 1 (Monday) to 7 (ISO 8601)' },
};

/** The facts of {@link REQUEST_FACTS} that this request states. */
export function requestFacts({ action, subject, subjectType, subjectSpace, resource, occurredAtMs }: CheckRequest): {
  readonly [name: string]: FactValue | null;
} {
  return {
    action,
    'subject.id': subject,
    'subject.type': subject === null ? null : subjectType,
    'subject.space': subject === null ? null : subjectSpace,
    'resource.type': resource.type,
    'resource.id': resource.id,
    'request.hour': Math.floor(occurredAtMs / 3_600_000) % 24,
    'request.weekday': ((Math.floor(occurredAtMs / 86_400_000) + EPOCH_WEEKDAY - 1) % 7) + 1,
  };
}

/** 1 January 1970 was a Thursday. */
const EPOCH_WEEKDAY = 4;
