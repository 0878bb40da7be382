import { randomBytes } from 'node:crypto';
import { loadSettings, type Settings, SettingsError } from '../app/settings.ts';
import { CliError, orCliError } from './fault.ts';

/** Settings from the environment, as `serve` reads them. Missing secrets are generated for this run. */
export function localSettings(): Promise<Settings> {
  return orCliError(
    () => loadSettings(process.env, () => randomBytes(36).toString('base64url')),
    (error) => error instanceof SettingsError,
  );
}

/** Fails without a setting that the command needs. */
export function demand(settings: Settings, names: readonly ('PRIVACY_KEY' | 'REDIS_URL')[]): void {
  const missing = names.filter((name) =>
    name === 'REDIS_URL' ? settings.redisUrl === null : settings.made.includes(name),
  );
  if (missing.length > 0) {
    throw new CliError(`set ${missing.join(' and ')} as the service has ${missing.length === 1 ? 'it' : 'them'}`);
  }
}
