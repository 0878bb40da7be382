import type { Place, Who } from './places.ts';

/** One decision as the panel shows it. */
export interface FeedDecision {
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  /** Null for a request from no place of the demo. */
  readonly who: Who | null;
  readonly place: Pick<Place, 'name' | 'at' | 'isPlace'> | null;
  readonly action: string;
  readonly decision: 'allow' | 'step-up' | 'deny';
  readonly score: number;
  readonly level: 'low' | 'medium' | 'high';
  /** The rule that decided, in its own words. */
  readonly rule: { readonly id: string; readonly text: string } | null;
  readonly reasons: readonly { readonly code: string; readonly points: number; readonly text: string }[];
  readonly signals: readonly {
    readonly name: string;
    readonly state: string;
    readonly why: string | null;
    readonly facts: readonly { readonly name: string; readonly value: string }[];
  }[];
  readonly proof: { readonly satisfied: boolean; readonly error: string | null } | null;
  readonly speedKmh: number | null;
  readonly distanceKm: number | null;
}

/** Where the person of the newest decision has been seen, newest first. */
export interface FeedSightings {
  readonly places: readonly { readonly lat: number; readonly lon: number; readonly name: string }[];
}

/** A message that the provider sent. */
export interface FeedMessage {
  readonly to: string;
  readonly code: string;
  readonly at: string;
}

export type FeedEvent =
  | { readonly type: 'decision'; readonly data: FeedDecision }
  | { readonly type: 'sightings'; readonly data: FeedSightings }
  | { readonly type: 'message'; readonly data: FeedMessage }
  /** What came before was there when the panel opened. */
  | { readonly type: 'live'; readonly data: null };
