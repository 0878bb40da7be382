/** A place that the demo can simulate. */
export interface Place {
  readonly id: 'home' | 'sao-paulo' | 'tor' | 'data-centre';
  readonly name: string;
  readonly hint: string;
  /** One address for each of the two browsers, so that the log distinguishes them. They are real, so the geo data knows them. */
  readonly address: { readonly you: string; readonly thief: string };
  /** Position on the map, in degrees. */
  readonly at: { readonly lat: number; readonly lon: number };
  /** Whether the address says where the person is. */
  readonly isPlace: boolean;
}

/** Whose browser it is. */
export type Who = 'you' | 'thief';

export const HOME: Place = {
  id: 'home',
  name: 'London',
  hint: 'at home',
  address: { you: '86.154.183.10', thief: '86.154.183.77' },
  at: { lat: 51.51, lon: -0.13 },
  isPlace: true,
};

export const PLACES: readonly Place[] = [
  HOME,
  {
    id: 'sao-paulo',
    name: 'São Paulo',
    hint: '9,500 km away',
    address: { you: '177.113.43.10', thief: '189.98.76.10' },
    at: { lat: -23.63, lon: -46.63 },
    isPlace: true,
  },
  {
    id: 'tor',
    name: 'A Tor exit',
    hint: 'could be anywhere',
    address: { you: '185.220.101.34', thief: '185.220.101.35' },
    at: { lat: 51.3, lon: 9.49 },
    isPlace: false,
  },
  {
    id: 'data-centre',
    name: 'A data centre',
    hint: 'Frankfurt',
    address: { you: '52.58.0.10', thief: '52.58.0.11' },
    at: { lat: 50.12, lon: 8.68 },
    isPlace: false,
  },
];

/** Addresses that lists of the demo name, in the text form of any other list. */
export const LISTED: readonly { readonly category: 'tor' | 'datacenter'; readonly text: string }[] = [
  { category: 'tor', text: '185.220.101.0/24\n' },
  { category: 'datacenter', text: '52.58.0.0/15\n' },
];

export const PLACE_COOKIE = 'demo-place';

/** The place named by a cookie; home by default. */
export function placeNamed(id: string | undefined): Place {
  return PLACES.find((place) => place.id === id) ?? HOME;
}
