import type { Measurement } from '../model/decision.ts';
import type { FactCatalog, FactValue, MeasuredFacts } from '../model/facts.ts';
import type { ProofVerdict } from '../model/proof.ts';
import type { History } from '../store/store.ts';
import { client } from './client.ts';
import { device } from './device.ts';
import { familiarity } from './familiarity.ts';
import { geo } from './geo.ts';
import { ip } from './ip.ts';
import { REQUEST_FACTS, requestFacts } from './request.ts';
import { session } from './session.ts';
import type { DeviceMatch, Observation, Signal } from './signal.ts';
import { stepUp } from './step-up.ts';
import { travel } from './travel.ts';
import { velocity } from './velocity.ts';

/** Every signal, in the order in which an answer lists them. */
export const SIGNALS: readonly Signal[] = [device, ip, geo, travel, velocity, client, familiarity, session, stepUp];

/** Every declared fact, of the request and of all signals. */
export const FACT_CATALOG: FactCatalog = Object.assign(
  Object.create(null),
  REQUEST_FACTS,
  ...SIGNALS.map(({ facts }) => facts),
);

/** What all signals made of one check. */
export interface Measurements {
  /** By name of the signal, as the answer shows them. */
  readonly signals: { readonly [name: string]: Measurement };
  /** All facts together, with those of the request. */
  readonly facts: MeasuredFacts;
}

/** Measures every signal. Pure, never throws. */
export function measureAll(
  observation: Observation,
  history: History,
  proof: ProofVerdict | null,
  deviceMatch: DeviceMatch,
): Measurements {
  const signals: { [name: string]: Measurement } = {};
  const facts: { [name: string]: FactValue | undefined } = { ...NOTHING_KNOWN };
  const stated = requestFacts(observation.request);
  for (const name in stated) facts[name] = stated[name] ?? undefined;
  for (const { name, measure } of SIGNALS) {
    const measurement = measure(observation, history, proof, deviceMatch);
    signals[name] = measurement;
    for (const fact in measurement.facts) facts[fact] = measurement.facts[fact];
  }
  return { signals, facts };
}

/**
 * Every declared fact, unknown. A copy has its names in place, and costs a tenth of what it costs to add them one by one;
 * out of JSON, because V8 lays out what it parses as it lays out a literal.
 */
const NOTHING_KNOWN: { [name: string]: FactValue | undefined } = JSON.parse(
  JSON.stringify(Object.fromEntries(Object.keys(FACT_CATALOG).map((name) => [name, null]))),
);
for (const name in NOTHING_KNOWN) NOTHING_KNOWN[name] = undefined;
