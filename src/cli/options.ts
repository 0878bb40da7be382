import { InvalidArgumentError } from 'commander';
import { SETTINGS } from '../app/settings.ts';

/** Where the rule files are, as the service would find them. */
export const RULES_DIR = [
  '--dir <dir>',
  'directory of the rule files',
  SETTINGS.rulesDir.schema.parse(process.env.RULES_DIR?.trim() || undefined),
] as const;

/** Where the compiled address lists are, as the service would find them. */
export const LISTS_DIR = [
  '--dir <dir>',
  'directory of the compiled lists',
  SETTINGS.ipListsDir.schema.parse(process.env.IP_LISTS_DIR?.trim() || undefined),
] as const;

/** Where the built geo data is, as the service would find it. */
export const GEO_DIR = SETTINGS.geoDir.schema.parse(process.env.GEO_DIR?.trim() || undefined);

/** One JSON document instead of lines for people. */
export const JSON_FLAG = ['--json', 'print JSON for programs', false] as const;

/** Reads a count that an option takes. */
export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number from 1 to 999999999.');
}
