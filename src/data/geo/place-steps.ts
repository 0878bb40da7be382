import type { Place } from '../../model/geo.ts';

/** A place as it is compiled: what a source answers, without saying who says so. The country is always known. */
export type StoredPlace = Omit<Place, 'country' | 'source'> & { readonly country: string };

/**
 * One address family as a step function: from each start on, up to the next one, addresses have the same place. The first
 * start is the lowest address of the family, so that every address has a step.
 */
export interface PlaceSteps {
  /** 32-bit words of a start: one for IPv4, four for IPv6. */
  readonly stride: 1 | 4;
  /** Ascending, big-endian words, {@link stride} each. */
  readonly starts: Uint32Array;
  /** For each start, 0 for no place or the position in the list of places plus one. */
  readonly places: Uint32Array;
}

/** All that a source knows, ready to be cut into shards. */
export interface PlaceTable {
  readonly v4: PlaceSteps;
  readonly v6: PlaceSteps;
  readonly places: readonly StoredPlace[];
}

/** What {@link PlaceSteps} holds for addresses that have no place. */
export const NO_PLACE = 0;

/** Numbers places: equal ones get the same number, {@link NO_PLACE} is null. */
export function placeList(): {
  readonly places: readonly StoredPlace[];
  number(place: StoredPlace | null): number;
} {
  const places: StoredPlace[] = [];
  const numbers = new Map<string, number>();
  return {
    places,
    number(place) {
      if (place === null) return NO_PLACE;
      const { country, region, city, lat, lon, accuracyKm } = place;
      const key = JSON.stringify([country, region, city, lat, lon, accuracyKm]);
      const known = numbers.get(key);
      if (known !== undefined) return known;
      places.push(place);
      numbers.set(key, places.length);
      return places.length;
    },
  };
}

/** Collects steps in ascending order; a step to the place that the one before leads to is left out. */
export function stepList(stride: 1 | 4): {
  push(start: bigint, place: number): void;
  /** As `push`, for a start whose words after the second are 0. */
  pushWords(first: number, second: number, place: number): void;
  steps(): PlaceSteps;
} {
  let starts = new Uint32Array(1024 * stride);
  let places = new Uint32Array(1024);
  // Nothing has a place before the first step.
  let count = 1;
  /** Room for another step; -1 where none is needed. */
  const next = (place: number, isFirst: boolean): number => {
    if (places[count - 1] === place) return -1;
    if (isFirst) count = 0;
    if (count === places.length) {
      starts = grown(starts);
      places = grown(places);
    }
    places[count] = place;
    return stride * count++;
  };
  return {
    push(start, place) {
      const at = next(place, start === 0n);
      for (let word = 0; at >= 0 && word < stride; word++) {
        starts[at + word] = Number((start >> BigInt(32 * (stride - 1 - word))) & 0xffffffffn);
      }
    },
    pushWords(first, second, place) {
      const at = next(place, first === 0 && second === 0);
      if (at < 0) return;
      starts[at] = first;
      if (stride > 1) starts[at + 1] = second;
    },
    steps: () => ({ stride, starts: starts.slice(0, count * stride), places: places.slice(0, count) }),
  };
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
