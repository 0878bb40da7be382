import type { Place } from '../../model/geo.ts';

/** A place in compiled form, without its source. Always has a country. */
export type StoredPlace = Omit<Place, 'country' | 'source'> & { readonly country: string };

export type PlaceName = Pick<StoredPlace, 'country' | 'region' | 'city'>;

/** Many places as columns: half a million objects would take seconds and most of the memory. */
export interface PlaceColumns {
  readonly names: readonly PlaceName[];
  /** Index of the name of each place. */
  readonly nameOf: Uint32Array;
  /** Degrees; NaN for places without coordinates. */
  readonly lat: Float64Array;
  readonly lon: Float64Array;
  readonly accuracyKm: Uint16Array;
}

/**
 * One address family as a step function: from each start up to the next one, all addresses have the same place. The first start is the
 * lowest address of the family, so every address has a step.
 */
export interface PlaceSteps {
  /** 32-bit words of a start: one for IPv4, four for IPv6. */
  readonly stride: 1 | 4;
  /** Ascending, big-endian words, {@link stride} each. */
  readonly starts: Uint32Array;
  /** For each start, 0 for no place, else the index of the place plus one. */
  readonly places: Uint32Array;
}

/** Everything that a source knows, ready to be cut into shards. */
export interface PlaceTable {
  readonly v4: PlaceSteps;
  readonly v6: PlaceSteps;
  readonly places: PlaceColumns;
}

/** The value of addresses without a place in {@link PlaceSteps}. */
export const NO_PLACE = 0;

/** Collects places and numbers them from 1; null is {@link NO_PLACE}. */
export function placeList(): {
  readonly places: PlaceColumns;
  /** Adds a name and returns its index. */
  addName(name: PlaceName): number;
  /** Adds a new place. Degrees are NaN if it has no coordinates. */
  add(name: number, lat: number, lon: number, accuracyKm: number): number;
  /** The number of a place; equal places share one. */
  number(place: StoredPlace | null): number;
} {
  const names: PlaceName[] = [];
  let nameOf = new Uint32Array(1024);
  let lat = new Float64Array(1024);
  let lon = new Float64Array(1024);
  let accuracyKm = new Uint16Array(1024);
  let count = 0;
  const nameNumbers = new Map<string, number>();
  const numbers = new Map<string, number>();
  const addName = (name: PlaceName): number => names.push(name) - 1;
  const add = (name: number, latDegrees: number, lonDegrees: number, radiusKm: number): number => {
    if (count === nameOf.length) {
      nameOf = copied(nameOf, new Uint32Array(count * 2));
      lat = copied(lat, new Float64Array(count * 2));
      lon = copied(lon, new Float64Array(count * 2));
      accuracyKm = copied(accuracyKm, new Uint16Array(count * 2));
    }
    nameOf[count] = name;
    lat[count] = latDegrees;
    lon[count] = lonDegrees;
    accuracyKm[count] = radiusKm;
    count += 1;
    return count;
  };
  return {
    get places() {
      return {
        names,
        nameOf: nameOf.subarray(0, count),
        lat: lat.subarray(0, count),
        lon: lon.subarray(0, count),
        accuracyKm: accuracyKm.subarray(0, count),
      };
    },
    addName,
    add,
    number(place) {
      if (place === null) return NO_PLACE;
      const { country, region, city } = place;
      const nameKey = JSON.stringify([country, region, city]);
      const name = nameNumbers.get(nameKey) ?? addName({ country, region, city });
      nameNumbers.set(nameKey, name);
      const key = `${name} ${place.lat} ${place.lon} ${place.accuracyKm}`;
      const number = numbers.get(key) ?? add(name, place.lat ?? Number.NaN, place.lon ?? Number.NaN, place.accuracyKm);
      numbers.set(key, number);
      return number;
    },
  };
}

/** Collects steps in ascending order. Drops repeats of the current place. */
export function stepList(stride: 1 | 4): {
  push(start: bigint, place: number): void;
  /** Like `push`, for a start whose words after the second are 0. */
  pushWords(first: number, second: number, place: number): void;
  steps(): PlaceSteps;
} {
  let starts = new Uint32Array(1024 * stride);
  let places = new Uint32Array(1024);
  // There is no place before the first step.
  let count = 1;
  /** Index for another step; -1 if none is needed. */
  const next = (place: number, isFirst: boolean): number => {
    if (places[count - 1] === place) return -1;
    if (isFirst) count = 0;
    if (count === places.length) {
      starts = copied(starts, new Uint32Array(starts.length * 2));
      places = copied(places, new Uint32Array(places.length * 2));
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
    steps: () => ({ stride, starts: starts.subarray(0, count * stride), places: places.subarray(0, count) }),
  };
}

function copied<T extends Uint32Array | Uint16Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
