import { ADDRESS_HASH_LENGTH, type KnownNetwork } from '../model/baseline.ts';
import { failed, measured, off, unknown } from '../model/measurement.ts';
import { CATEGORIES } from '../model/reputation.ts';
import { failureOf, seenBaselineOf } from '../store/history.ts';
import type { Pseudonym } from '../store/store.ts';
import type { Signal } from './signal.ts';

const INNER_KINDS = ['private', 'cgnat'];

function isSameAddress(known: KnownNetwork, network: Pseudonym | null, address: Pseudonym | null): boolean {
  return known.key === network && address !== null && known.address === address.slice(-ADDRESS_HASH_LENGTH);
}

/** What lists and recent behaviour say about the address. */
export const ip: Signal = {
  name: 'ip',
  facts: {
    'ip.address': { type: 'string', meaning: 'Canonical text of the client address, for `in_cidr`' },
    'ip.version': { type: 'number', unit: '1', meaning: '4 or 6; an IPv4 address inside IPv6 counts as 4' },
    'ip.kind': {
      type: 'string',
      meaning: 'Kind of address; only a `public` one has a place and a reputation',
      values: ['public', 'private', 'loopback', 'link_local', 'cgnat', 'tunnel', 'special'],
    },
    'ip.unreadable': {
      type: 'boolean',
      meaning:
        'Whether there is no address because the forwarding headers are unreadable or contradictory; a client can cause that',
    },
    'ip.categories': {
      type: 'list',
      meaning: 'Categories from the address lists; unknown while none is in use',
      values: CATEGORIES,
      unknownIn: 'ip.categories_unknown',
    },
    'ip.categories_unknown': {
      type: 'list',
      meaning:
        'Categories of outdated lists: whether `ip.categories` has them is unknown; only set while a list is outdated',
      values: CATEGORIES,
    },
    'ip.lists': {
      type: 'list',
      meaning: 'Names of the lists with the address; unknown while none is in use',
      unknownIn: 'ip.lists_stale',
    },
    'ip.lists_stale': {
      type: 'list',
      meaning: 'Names of outdated lists: whether `ip.lists` has them is unknown; only set while a list is outdated',
    },
    'ip.asn': { type: 'number', unit: '1', meaning: 'Autonomous system number, if an ASN table is built' },
    'ip.known': {
      type: 'boolean',
      meaning: 'Whether this subject has used the address or its network (/24, /48) before; unknown on a cold start',
    },
    'ip.address_known': {
      type: 'boolean',
      meaning: 'Whether this subject last used this same address (IPv6: /64) on its network; unknown on a cold start',
    },
    'ip.failures_10m': { type: 'number', unit: '1', meaning: 'Failures from this address (IPv6: /64) in 10 minutes' },
    'ip.network_failures_10m': {
      type: 'number',
      unit: '1',
      meaning: 'Failures from its network (/24, /48) in 10 minutes',
    },
    'ip.subjects_1h': {
      type: 'number',
      unit: '1',
      meaning: 'Subjects seen on this address in an hour, this one included',
    },
    'ip.denies_1h': { type: 'number', unit: '1', meaning: 'Denied checks from this address in an hour' },
  },
  measure({ request, nobodys, standing, keys }, history) {
    const { address } = request;
    if (address === null) {
      return unknown(request.noAddress ?? 'absent', {
        'ip.unreadable': request.noAddress === 'malformed' ? true : null,
      });
    }
    if (nobodys !== null) {
      return unknown(nobodys, {
        'ip.address': address.text,
        'ip.version': address.version,
        'ip.kind': address.kind,
        'ip.unreadable': false,
      });
    }
    const counts = history.address?.state === 'read' ? history.address.value : null;
    const baseline = seenBaselineOf(history);
    // No list holds an inner address (such entries are dropped), so this much is known without any.
    const inner = INNER_KINDS.includes(address.kind);
    const open = standing?.stale?.categories;
    const facts = {
      'ip.address': address.text,
      'ip.version': address.version,
      'ip.kind': address.kind,
      'ip.unreadable': false,
      'ip.categories': inner ? ['private'] : standing?.categories,
      'ip.categories_unknown': open === undefined || open.length === 0 ? null : open,
      'ip.lists': standing?.categories == null ? null : standing.lists,
      'ip.lists_stale': standing?.stale?.lists,
      'ip.asn': standing?.asn,
      'ip.known': baseline === null ? null : baseline.networks.some(({ key }) => key === keys.network),
      'ip.address_known':
        baseline === null ? null : baseline.networks.some((known) => isSameAddress(known, keys.network, keys.address)),
      'ip.failures_10m': counts?.failures10m,
      'ip.network_failures_10m': counts?.network.failures10m,
      'ip.subjects_1h': counts?.subjects1h,
      'ip.denies_1h': counts?.denies1h,
    };
    const why = standing?.why ?? failureOf(history.address, history.subject);
    if (why !== null) return failed(why, facts);
    if (standing?.stale !== undefined) return measured(facts, 'lists_stale');
    return standing?.categories == null ? off('no_lists', facts) : measured(facts);
  },
};
