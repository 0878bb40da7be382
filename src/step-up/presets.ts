// Written by `npm run generate` from the files in presets/.
import { auth0 } from './presets/auth0.ts';
import { descope } from './presets/descope.ts';
import { entra } from './presets/entra.ts';
import { keycloak } from './presets/keycloak.ts';
import { oidc } from './presets/oidc.ts';
import { okta } from './presets/okta.ts';

/** All presets, by name. */
export const PRESETS = [auth0, descope, entra, keycloak, oidc, okta] as const;

/** Values of `preset`. */
export const PRESET_NAMES: readonly string[] = PRESETS.map(({ name }) => name);
