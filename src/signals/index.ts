import type { Measurement } from '../decision.ts';
import type { FactCatalog, FactValue, MeasuredFacts } from '../facts.ts';
import type { ProofVerdict } from '../step-up/verifier.ts';
import type { History } from '../store/store.ts';
import { client } from './client.ts';
import { device } from './device.ts';
import { geo } from './geo.ts';
import { ip } from './ip.ts';
import { REQUEST_FACTS, requestFacts } from './request.ts';
import { session } from './session.ts';
import type { Observation, Signal } from './signal.ts';
import { stepUp } from './step-up.ts';
import { travel } from './travel.ts';
import { velocity } from './velocity.ts';

/** Every signal, in the order in which an answer lists them. */
export const SIGNALS: readonly Signal[] = [device, ip, geo, travel, velocity, client, session, stepUp];

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
  /** All facts together, with those of the request; prototype-less. */
  readonly facts: MeasuredFacts;
}

/** Measures every signal. Pure, never throws. */
export function measureAll(observation: Observation, history: History, proof: ProofVerdict | null): Measurements {
  const signals: { [name: string]: Measurement } = {};
  const facts: { [name: string]: FactValue } = Object.create(null);
  const stated = requestFacts(observation.request);
  for (const name in stated) {
    const value = stated[name];
    if (value !== null && value !== undefined) facts[name] = value;
  }
  for (const { name, measure } of SIGNALS) {
    const measurement = measure(observation, history, proof);
    signals[name] = measurement;
    for (const fact in measurement.facts) {
      const value = measurement.facts[fact];
      if (value !== undefined) facts[fact] = value;
    }
  }
  return { signals, facts };
}
