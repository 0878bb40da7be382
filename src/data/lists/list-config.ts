import type { Category } from '../../model/reputation.ts';

/**
 * How a list is written.
 *
 * - `text`: one address, CIDR or range a line; a range is two addresses with a dash, blanks or a comma between them, or an
 *   address and a netmask. `#` and `;` start comments; what else follows is ignored, but a count in the second field can be
 *   asked for with `minCount`. Netsets, ipsum and DShield's blocks are of this kind.
 * - `csv`: the same in one column, where a range may end in the next one.
 * - `json`: what AWS (`ip_prefix`, `ipv6_prefix`) and Google (`ipv4Prefix`, `ipv6Prefix`) publish.
 * - `json_lines`: one object with `cidr` a line, as Spamhaus DROP.
 * - `asn_csv`: `network,autonomous_system_number,…` (GeoLite2-ASN blocks).
 * - `asn_tsv`: `start⇥end⇥asn⇥…` (iptoasn).
 */
export const LIST_FORMATS = ['text', 'csv', 'json', 'json_lines', 'asn_csv', 'asn_tsv'] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

/** A configured list. */
export interface ListConfig {
  /** Lower-case letters, digits and hyphens, at most 64; also the name of its file. */
  readonly name: string;
  readonly category: Exclude<Category, 'private'> | 'asn';
  /** An `http(s)` URL, or a path relative to the lists' directory. */
  readonly source: string;
  readonly format: ListFormat;
  /** For `csv`: the column's number from 0, or its name in the first line. Default 0. */
  readonly column: number | string;
  /** For `text`: the least count in the second field for an entry to be kept. Default 0. */
  readonly minCount: number;
  /** Days after which the data is outdated and not used. */
  readonly maxAgeDays: number;
  /** Greatest share of the IPv4 space the list may cover, 0..0.25. Default {@link DEFAULT_MAX_COVERAGE}. */
  readonly maxCoverage: number;
  /** Licence or terms of the data, for people. */
  readonly licence: string;
}
