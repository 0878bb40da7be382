import { COUNTRIES } from '../model/countries.ts';
import { failed, measured, unknown } from '../model/measurement.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import type { Signal } from './signal.ts';

/** Where the request comes from, by its address or the caller's assertion. */
export const geo: Signal = {
  name: 'geo',
  facts: {
    'geo.country': { type: 'string', meaning: 'ISO 3166-1 alpha-2, upper case', values: COUNTRIES },
    'geo.region': { type: 'string', meaning: 'Region as the source names it' },
    'geo.city': { type: 'string', meaning: 'City as the source names it' },
    'geo.accuracy_km': { type: 'number', unit: 'km', meaning: 'Accuracy radius' },
    'geo.new_country': {
      type: 'boolean',
      meaning: 'Whether the country is new for this subject; unknown until one is learned',
    },
    'geo.source': {
      type: 'string',
      meaning: 'Source of the place: the caller or a database',
      values: ['asserted', 'cf', 'geoip-lite', 'shards'],
    },
  },
  measure({ located }, history) {
    // A source that is only slow or away is missed like a store: whoever comes from an unusual place must not gain by it.
    if (!located.known) return located.why === 'source_unavailable' ? failed(located.why) : unknown(located.why);
    const { place } = located;
    const countries = baselineOf(history)?.countries ?? [];
    const facts = {
      'geo.country': place.country,
      'geo.region': place.region,
      'geo.city': place.city,
      'geo.accuracy_km': Math.round(place.accuracyKm),
      'geo.new_country':
        place.country === null || countries.length === 0 ? null : !countries.some(({ code }) => code === place.country),
      'geo.source': place.source,
    };
    const why = failureOf(history.subject);
    return why === null ? measured(facts) : failed(why, facts);
  },
};
