import type { Address } from '../net/address.ts';

/** Where an address or a caller says that the request comes from. */
export interface Place {
  /** Degrees, -90..90; null together with `lon` when only the country is known. */
  readonly lat: number | null;
  /** Degrees, -180..180. */
  readonly lon: number | null;
  /** Radius in km within which the true place lies. Country-level answers carry {@link COARSE_ACCURACY_KM} or more. */
  readonly accuracyKm: number;
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  /** Who said so. */
  readonly source: 'asserted' | 'geoip-lite' | 'shards';
}

/** Why there is no place. These strings are the `why` of the `geo` signal. */
export type NoPlace =
  | 'no_address'
  | 'private_address'
  | 'tunnel_address'
  | 'special_address'
  | 'not_found'
  | 'source_off'
  | 'bad_database';

export type Located =
  | { readonly known: true; readonly place: Place }
  | { readonly known: false; readonly why: NoPlace };

/** A source of places by address. Drivers: geoip-lite on Node, shards on the edge, `noGeo` where there is none. */
export interface GeoSource {
  /** Synchronous and memory-only: it never waits and never throws. */
  locate(address: Address): Located;
  /** What the source is and how old its data is, for health and metrics. `ageDays` is null when it does not say. */
  status(nowMs: number): { readonly name: string; readonly ageDays: number | null; readonly problem: string | null };
}

/** From this radius on a place says the country at best and takes no part in travel. */
export const COARSE_ACCURACY_KM = 200;
