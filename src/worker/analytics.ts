import type { FactValue } from '../model/facts.ts';
import type { Metrics } from '../records/metrics.ts';
import type { DecisionRecord } from '../records/record.ts';
import type { RecordSink } from '../records/sinks.ts';

/** The part of an Analytics Engine dataset that is used: writing waits for nothing. */
export interface Dataset {
  writeDataPoint(point: { indexes?: string[]; blobs?: string[]; doubles?: number[] }): void;
}

/**
 * Columns of one decision, in their order. `index1` is the action: what is rare keeps all its rows when Analytics Engine
 * samples. A text that is unknown is empty.
 */
export const DECISION_BLOBS = [
  'kind',
  'decision',
  'level',
  'rule',
  'action',
  'caller',
  'reasons',
  'degraded',
  'step_up',
  'device_state',
  'country',
  'dry_run_decision',
  'dry_run_rules',
  'subject',
  'address',
  'rules_revision',
  'id',
  'request_id',
  'session_credential',
  'session_code',
] as const;
export const DECISION_DOUBLES = ['score', 'latency_ms', 'degraded_parts'] as const;

/** Columns of failures; `kind` is one of `store`, `evicted`, `learn`, `record`, `right`, `keys`. */
export const EVENT_BLOBS = ['kind', 'what', 'code'] as const;

/** An index longer than this is refused by Analytics Engine, in bytes. */
const MAX_INDEX_BYTES = 96;
/** All texts of a point together may have 16 KB; only these two have no bound of their own. */
const MAX_LIST_LENGTH = 2048;

/** Writes every decision record as one data point. */
export function analyticsRecords(dataset: Dataset): RecordSink {
  return (record) => {
    const blobs: { readonly [name in (typeof DECISION_BLOBS)[number]]: string } = {
      kind: 'decision',
      decision: record.decision,
      level: record.level,
      rule: record.rule?.id ?? '',
      action: record.action,
      caller: record.caller,
      reasons: listed(record.reasons.map(({ code }) => code)),
      degraded: listed(record.degraded.map(({ part, why }) => `${part} ${why}`)),
      step_up: stepUpOf(record),
      device_state: textOf(record.facts['device.state']),
      country: textOf(record.facts['geo.country']),
      dry_run_decision: record.dry_run.decision,
      dry_run_rules: listed(record.dry_run.rules),
      subject: record.subject ?? '',
      address: record.address ?? '',
      rules_revision: record.rules_revision,
      id: record.id,
      request_id: record.request_id,
      session_credential: textOf(record.facts['session.credential']),
      session_code: textOf(record.facts['session.code']),
    };
    const doubles: { readonly [name in (typeof DECISION_DOUBLES)[number]]: number } = {
      score: record.score,
      latency_ms: record.latency_ms,
      degraded_parts: record.degraded.length,
    };
    dataset.writeDataPoint({
      indexes: [indexOf(record.action)],
      blobs: DECISION_BLOBS.map((name) => blobs[name]),
      doubles: DECISION_DOUBLES.map((name) => doubles[name]),
    });
  };
}

/** Writes failures into the same dataset; without a dataset they are only logged. Decisions arrive as records. */
export function analyticsMetrics(dataset: Dataset | null): Metrics {
  const tell = (kind: string, what: string, code: string): void => {
    dataset?.writeDataPoint({ indexes: [kind], blobs: [kind, what, code], doubles: [] });
  };
  return {
    checked: () => undefined,
    learnFailed: (code) => tell('learn', '', code),
    storeFailed: (operation, code) => tell('store', operation, code),
    storeEvicted: (kind) => tell('evicted', kind, ''),
    recordFailed: () => tell('record', '', ''),
    rightRefused: (caller, right) => tell('right', caller, right),
    keysAsked: (issuer, outcome) => tell('keys', issuer, outcome),
    deviceSession: (step, outcome) => tell('device_session', step, outcome),
    render: async () => null,
  };
}

function stepUpOf({ step_up }: DecisionRecord): string {
  if (step_up === null) return '';
  return step_up.satisfied ? 'satisfied' : (step_up.error ?? 'asked');
}

function listed(parts: readonly string[]): string {
  return parts.join(',').slice(0, MAX_LIST_LENGTH);
}

function textOf(value: FactValue | undefined): string {
  return value === undefined ? '' : String(value);
}

function indexOf(text: string): string {
  const bytes = new Uint8Array(MAX_INDEX_BYTES);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return new TextDecoder().decode(bytes.subarray(0, written));
}
