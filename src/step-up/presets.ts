import { auth0 } from './presets/auth0.ts';
import { descope } from './presets/descope.ts';
import { entra } from './presets/entra.ts';
import { keycloak } from './presets/keycloak.ts';
import { oidc } from './presets/oidc.ts';
import { okta } from './presets/okta.ts';

/** All presets. To add one, write a file in `presets/` and list it here. */
export const PRESETS = [oidc, descope, auth0, keycloak, okta, entra] as const;

/** Values of `preset`. */
export const PRESET_NAMES: readonly string[] = PRESETS.map(({ name }) => name);
