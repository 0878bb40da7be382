import {
  dayOf,
  decayed,
  familiarityOf,
  LEAST_DAYS,
  LEVELS,
  type Level,
  type LevelValues,
  type PartFamiliarity,
} from '../model/familiarity.ts';
import { failed, measured, unknown } from '../model/measurement.ts';
import { baselineOf, failureOf } from '../store/history.ts';
import { clientFamily } from './client.ts';
import type { Observation, Signal } from './signal.ts';

/** How familiar network and client are to the subject, by the days on which they were seen with it before. */
export const familiarity: Signal = {
  name: 'familiarity',
  facts: {
    'familiarity.bits': {
      type: 'number',
      unit: 'bits',
      meaning:
        'How unusual network and client together are for this subject, 0 to 16.6; the sum of both parts, unknown if one is',
    },
    'familiarity.network_bits': {
      type: 'number',
      unit: 'bits',
      meaning:
        'How unusual network, provider and country are, 0 to 8.3; unknown before four learned days and for placeless addresses',
    },
    'familiarity.client_bits': {
      type: 'number',
      unit: 'bits',
      meaning: 'How unusual kind of client, browser version and system are, 0 to 8.3; unknown before four learned days',
    },
    'familiarity.stranger': {
      type: 'boolean',
      meaning: 'Whether neither the network nor the kind of client (browser, system, class of device) was ever seen',
    },
    'familiarity.days': {
      type: 'number',
      unit: 'days',
      meaning: 'Days learned from; here and below, a day counts half after 120 days',
    },
    'familiarity.network_days': { type: 'number', unit: 'days', meaning: 'Days on this network (/24, /48)' },
    'familiarity.asn_days': {
      type: 'number',
      unit: 'days',
      meaning: 'Days in this autonomous system, the provider; needs an ASN table',
    },
    'familiarity.country_days': { type: 'number', unit: 'days', meaning: 'Days in this country' },
    'familiarity.client_days': { type: 'number', unit: 'days', meaning: 'Days with this kind of client' },
    'familiarity.browser_days': { type: 'number', unit: 'days', meaning: 'Days with this browser and major version' },
    'familiarity.os_days': { type: 'number', unit: 'days', meaning: 'Days with this operating system' },
  },
  measure(observation, history) {
    const { keys, request } = observation;
    if (keys.subject === null) return unknown('no_subject');
    const why = failureOf(history.subject);
    if (why !== null) return failed(why);
    const known = baselineOf(history)?.familiarity;
    if (known === undefined) return unknown('no_baseline');

    const at = request.occurredAtMs / 1000;
    const values = familiarValues(observation);
    const network = familiarityOf(known, 'network', values, at);
    // Without a user agent, a subject who always showed one shows a client that was never seen.
    const client = familiarityOf(known, 'client', observation.client === null ? NO_CLIENT : values, at);
    const today = dayOf(at);
    const facts = {
      'familiarity.bits': network === null || client === null ? null : hundredths(network.bits + client.bits),
      'familiarity.network_bits': network === null ? null : hundredths(network.bits),
      'familiarity.client_bits': client === null ? null : hundredths(client.bits),
      'familiarity.stranger':
        network === null || client === null
          ? null
          : network.shares.network?.days === 0 && client.shares.client?.days === 0,
      'familiarity.days': wholeDays(Math.max(decayed(known.network, today), decayed(known.client, today))),
      'familiarity.network_days': daysOf(network, 'network'),
      'familiarity.asn_days': daysOf(network, 'asn'),
      'familiarity.country_days': daysOf(network, 'country'),
      'familiarity.client_days': daysOf(client, 'client'),
      'familiarity.browser_days': daysOf(client, 'browser'),
      'familiarity.os_days': daysOf(client, 'os'),
    };
    if (network !== null && client !== null) return measured(facts);
    if (known.network.days < LEAST_DAYS && known.client.days < LEAST_DAYS) return unknown('few_days', facts);
    return measured(facts, network === null ? (observation.placeless ?? 'few_network_days') : 'few_client_days');
  },
};

/** What a request shows of each level, as a baseline keeps it. A placeless address says nothing of its network. */
export function familiarValues(observation: Observation): LevelValues {
  const { keys, located, client, hints, placeless } = observation;
  const meant = placeless === null;
  // Browsers such as Brave have the user agent of Chrome and a brand of their own.
  const browser = hints?.browser ?? client?.browser ?? null;
  return {
    network: meant ? (keys.network?.slice(0, LEVELS.network.keyLength) ?? null) : null,
    asn: meant ? (keys.asn?.slice(0, LEVELS.asn.keyLength) ?? null) : null,
    country: meant && located.known ? located.place.country : null,
    client: client && code(`${clientFamily({ ...client, browser })}/${client.form ?? '-'}`),
    browser: client && code(`${browser ?? '-'}/${(hints?.browser == null ? client.major : hints.major) ?? '-'}`),
    os: client && code(client.os ?? '-'),
  };
}

function daysOf(part: PartFamiliarity | null, level: Level): number | null {
  const share = part?.shares[level];
  return share === undefined ? null : wholeDays(share.days);
}

/** Whole days; 0 is never. */
function wholeDays(decayedDays: number): number {
  return decayedDays === 0 ? 0 : Math.max(1, Math.round(decayedDays));
}

function hundredths(bits: number): number {
  return Math.round(bits * 100) / 100;
}

/** What was never seen, on every level of the client. */
const NO_CLIENT: LevelValues = { network: null, asn: null, country: null, client: '', browser: '', os: '' };

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * A short code of what a client calls itself (FNV-1a, 12 bits of it). No secret, and no defence: whoever wants the code of another
 * client says that he is that client.
 * @see https://datatracker.ietf.org/doc/html/draft-eastlake-fnv
 */
function code(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const bits = (hash ^ (hash >>> 16)) >>> 0;
  return DIGITS.charAt(bits & 63) + DIGITS.charAt((bits >>> 6) & 63);
}
