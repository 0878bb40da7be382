import { geoipLiteSource } from '../../data/geo/local-geo.ts';
import { memoryStore } from '../../store/memory.ts';
import type { SimulationParts } from './stage.ts';

/** Bytes for each key of a store: more than any baseline or counter takes. */
const BYTES_PER_KEY = 8192;

/** The drivers that a simulation runs on here; the rules are still to be chosen. */
export function simulationParts(): Omit<SimulationParts, 'rules'> {
  return {
    geo: geoipLiteSource(),
    store: (now, keys) => memoryStore({ now, maxKeys: keys, maxBytes: keys * BYTES_PER_KEY }),
  };
}
