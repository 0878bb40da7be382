import type { DecisionRecord } from './record.ts';

/** Takes decision records. It may throw: a record that is lost is counted and never changes the answer. */
export type RecordSink = (record: DecisionRecord) => void;

/** Keeps nothing. */
export const noRecords: RecordSink = () => undefined;

/** Hands every record to each sink in turn; a sink that throws does not keep the others from theirs. */
export function toAll(sinks: readonly RecordSink[]): RecordSink {
  return (record) => {
    const failures: unknown[] = [];
    for (const sink of sinks) {
      try {
        sink(record);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} sinks refused a decision record`);
  };
}
