import * as z from 'zod';
import { CATEGORIES } from '../../model/reputation.ts';
import { DataError } from '../data-error.ts';
import { compileV4, compileV6, type RangeSet } from '../ranges.ts';
import { LIST_FORMATS, type ListConfig } from './list-config.ts';
import { type ParsedList, parseList } from './list-text.ts';

/** Limit on the share of IPv4 that a list covers, unless its configuration raises it. */
export const DEFAULT_MAX_COVERAGE = 1 / 64;

/** Limit on the share of unreadable lines; above it, the text is not the list that it claims to be. */
const MAX_UNPARSABLE_SHARE = 0.05;

/** A list's name is also the name of its file. */
export const LIST_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

const listCategories = [...CATEGORIES.filter((category) => category !== 'private'), 'asn'] as const;

/** Schema of one configured list, in snake_case as in `feeds.json`. */
export const listConfigSchema = z
  .strictObject({
    name: z.string().regex(LIST_NAME, 'lower-case letters, digits and hyphens, at most 64'),
    category: z.enum(listCategories),
    source: z.string().min(1),
    format: z.enum(LIST_FORMATS),
    column: z.union([z.int().min(0), z.string().min(1)]).default(0),
    min_count: z.int().min(0).default(0),
    max_age_days: z.number().positive().max(36_500).default(30),
    max_coverage: z.number().positive().max(0.25).default(DEFAULT_MAX_COVERAGE),
    licence: z.string().default(''),
  })
  .refine((list) => (list.category === 'asn') === list.format.startsWith('asn_'), {
    message: 'category asn goes with format asn_csv or asn_tsv, and only with these',
    path: ['format'],
  })
  .transform(
    ({ min_count, max_age_days, max_coverage, ...list }): ListConfig => ({
      ...list,
      minCount: min_count,
      maxAgeDays: max_age_days,
      maxCoverage: max_coverage,
    }),
  );

/** Metadata of a list. */
export interface ListMeta {
  readonly name: string;
  readonly category: ListConfig['category'];
  readonly source: string;
  /** How the text was read, see {@link recipeOf}. */
  readonly recipe: string;
  /** Epoch milliseconds of the data. */
  readonly updatedAtMs: number;
  readonly maxAgeDays: number;
  readonly entries: number;
  readonly notPublic: number;
  readonly unparsable: number;
  /** Validators of the HTTP answer that brought the data. */
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** Increased when the same text is read in another way than before. */
const READING = 2;

/** Identifies how a list's text is read. If it changes, the text must be fetched again, as it gives another list. */
export function recipeOf(config: ListConfig): string {
  return `${config.category} ${config.format} ${config.column} ${config.minCount} ${READING}`;
}

/** A list ready for look-ups. */
export interface CompiledList {
  readonly meta: ListMeta;
  readonly set: RangeSet;
}

/** Source and time of a list's text. */
export interface ListOrigin {
  readonly updatedAtMs: number;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** @throws DataError when the list cannot be what it claims to be */
function guard(parsed: ParsedList, set: RangeSet, config: ListConfig, previous: ListMeta | null): void {
  if (parsed.unparsable > parsed.lines * MAX_UNPARSABLE_SHARE) {
    throw new DataError(
      'list_not_parsable',
      `${parsed.unparsable} of ${parsed.lines} lines cannot be read (allowed are at most ${percent(MAX_UNPARSABLE_SHARE)}); the first is "${parsed.firstUnparsable}"`,
    );
  }
  if (parsed.tooWide > 0) {
    throw new DataError(
      'list_entry_too_wide',
      `"${parsed.firstTooWide}" is too wide: entries must be narrower than an IPv4 /8 or an IPv6 /19`,
    );
  }
  if (parsed.entries === 0) {
    throw new DataError('list_empty', `no entries are left (${parsed.notPublic} were private, shared or reserved)`);
  }
  const covered = config.category === 'asn' ? 0 : coverageOf(set.v4.bounds);
  if (covered > config.maxCoverage) {
    throw new DataError(
      'list_covers_too_much',
      `covers ${percent(covered)} of IPv4, allowed are ${percent(config.maxCoverage)}; raise max_coverage of the list if that is intended`,
    );
  }
  if (previous !== null && parsed.entries < previous.entries / 2) {
    throw new DataError(
      'list_shrunk',
      `shrank from ${previous.entries} to ${parsed.entries} entries, less than half; accept it explicitly if that is intended`,
    );
  }
}

/** Share of the IPv4 space, 0..1. */
function coverageOf(bounds: Uint32Array): number {
  let covered = 0;
  for (let at = 0; at < bounds.length; at += 2) covered += (bounds[at + 1] ?? 0) - (bounds[at] ?? 0) + 1;
  return covered / 2 ** 32;
}

/**
 * Parses, guards and compiles a new version of a list.
 *
 * @param previous the version in use; null if there is none, or if a shrunken list is accepted
 * @throws DataError `list_not_parsable`, `list_empty`, `list_shrunk`, `list_covers_too_much` or `list_entry_too_wide`:
 * the new version is refused and the old one stays
 */
export function compileList(
  text: string,
  config: ListConfig,
  origin: ListOrigin,
  previous: ListMeta | null,
): CompiledList {
  const parsed = parseList(text, config);
  const valued = config.category === 'asn';
  const set = { v4: compileV4(parsed.v4, valued), v6: compileV6(parsed.v6, valued) };
  guard(parsed, set, config, previous);
  return {
    meta: {
      name: config.name,
      category: config.category,
      source: config.source,
      recipe: recipeOf(config),
      updatedAtMs: origin.updatedAtMs,
      maxAgeDays: config.maxAgeDays,
      entries: parsed.entries,
      notPublic: parsed.notPublic,
      unparsable: parsed.unparsable,
      etag: origin.etag,
      lastModified: origin.lastModified,
    },
    set,
  };
}
