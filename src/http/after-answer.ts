import { messageOf } from '../model/error-text.ts';
import { StoreError } from '../model/store-error.ts';
import { type AnsweredCheck, decisionRecord } from '../records/record.ts';
import type { RequestScope } from './api-route.ts';
import type { AppDeps } from './deps.ts';

/**
 * Counts, records and learns from an answered check, after the answer and without delaying the caller. Nothing here
 * changes the answer; failures are counted and logged.
 */
export function afterAnswer(deps: AppDeps, { later }: RequestScope, answered: AnsweredCheck): void {
  later(async () => {
    deps.metrics.checked(answered.result, answered.latencyMs / 1000);
    record(deps, answered);
    await learned(deps, answered);
  });
}

function record(deps: AppDeps, answered: AnsweredCheck): void {
  try {
    deps.records(decisionRecord(answered));
  } catch (error) {
    deps.metrics.recordFailed();
    deps.log.error('a decision record was not written', { check: answered.result.id, error: messageOf(error) });
  }
}

async function learned(deps: AppDeps, answered: AnsweredCheck): Promise<void> {
  try {
    await answered.learn();
    deps.log.debug('what a check teaches was stored', { check: answered.result.id });
  } catch (error) {
    const code = error instanceof StoreError ? error.code : 'fault';
    deps.metrics.learnFailed(code);
    const say = code === 'fault' ? deps.log.error : deps.log.warn;
    say('a check was not learned', { check: answered.result.id, code, error: messageOf(error) });
  }
}
