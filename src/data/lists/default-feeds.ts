import type { ListConfig } from './list-config.ts';
import { DEFAULT_MAX_COVERAGE } from './lists.ts';

const defaults = { column: 0, minCount: 0, maxCoverage: DEFAULT_MAX_COVERAGE };

// Hosting really is that large a part of IPv4: about 9 % in 2026. An accident is larger still.
const HOSTING_COVERAGE = 1 / 8;

const X4B = 'https://raw.githubusercontent.com/X4BNet/lists_vpn/main/output';
const X4B_LICENCE = 'MIT, https://github.com/X4BNet/lists_vpn';
const SPAMHAUS_LICENCE = 'free of charge with attribution, https://www.spamhaus.org/blocklists/do-not-route-or-peer/';

/**
 * Feeds that are fetched unless `feeds.json` disables them. Their data is not part of this package: each operator
 * fetches it under the terms in `licence`.
 */
export const DEFAULT_FEEDS: readonly ListConfig[] = [
  {
    ...defaults,
    name: 'tor-exits',
    category: 'tor',
    source: 'https://check.torproject.org/torbulkexitlist',
    format: 'text',
    maxAgeDays: 3,
    licence: 'public data of the Tor Project',
  },
  {
    ...defaults,
    name: 'x4bnet-vpn-v4',
    category: 'vpn',
    source: `${X4B}/vpn/ipv4.txt`,
    format: 'text',
    maxAgeDays: 14,
    licence: X4B_LICENCE,
  },
  {
    ...defaults,
    name: 'x4bnet-vpn-v6',
    category: 'vpn',
    source: `${X4B}/vpn/ipv6.txt`,
    format: 'text',
    maxAgeDays: 14,
    licence: X4B_LICENCE,
  },
  {
    ...defaults,
    name: 'x4bnet-datacenter-v4',
    category: 'datacenter',
    source: `${X4B}/datacenter/ipv4.txt`,
    format: 'text',
    maxAgeDays: 14,
    maxCoverage: HOSTING_COVERAGE,
    licence: X4B_LICENCE,
  },
  {
    ...defaults,
    name: 'x4bnet-datacenter-v6',
    category: 'datacenter',
    source: `${X4B}/datacenter/ipv6.txt`,
    format: 'text',
    maxAgeDays: 14,
    licence: X4B_LICENCE,
  },
  {
    ...defaults,
    name: 'aws',
    category: 'datacenter',
    source: 'https://ip-ranges.amazonaws.com/ip-ranges.json',
    format: 'json',
    maxAgeDays: 30,
    maxCoverage: HOSTING_COVERAGE,
    licence: 'published by Amazon Web Services for this use',
  },
  {
    ...defaults,
    name: 'google-cloud',
    category: 'datacenter',
    source: 'https://www.gstatic.com/ipranges/cloud.json',
    format: 'json',
    maxAgeDays: 30,
    maxCoverage: HOSTING_COVERAGE,
    licence: 'published by Google Cloud for this use',
  },
  {
    ...defaults,
    name: 'apple-relay',
    category: 'relay',
    source: 'https://mask-api.icloud.com/egress-ip-ranges.csv',
    format: 'csv',
    maxAgeDays: 90,
    licence: 'published by Apple for this use',
  },
  {
    ...defaults,
    name: 'ipsum-level-3',
    category: 'attack',
    source: 'https://raw.githubusercontent.com/stamparm/ipsum/master/levels/3.txt',
    format: 'text',
    maxAgeDays: 3,
    licence: 'Unlicense, https://github.com/stamparm/ipsum',
  },
  {
    ...defaults,
    name: 'spamhaus-drop-v4',
    category: 'attack',
    source: 'https://www.spamhaus.org/drop/drop_v4.json',
    format: 'json_lines',
    maxAgeDays: 14,
    licence: SPAMHAUS_LICENCE,
  },
  {
    ...defaults,
    name: 'spamhaus-drop-v6',
    category: 'attack',
    source: 'https://www.spamhaus.org/drop/drop_v6.json',
    format: 'json_lines',
    maxAgeDays: 14,
    licence: SPAMHAUS_LICENCE,
  },
];
