import * as z from 'zod';
import { address, discoveryAddress, exactly, provider, shared } from '../issuer-entry.ts';

/** Any OpenID provider with discovery. */
export const oidc = provider({
  name: 'oidc',
  schema: z.strictObject({ preset: z.literal('oidc'), issuer: address, ...shared }),
  preset: ({ issuer }) => ({
    ...exactly(issuer),
    keys: { kind: 'discovery', uri: discoveryAddress(issuer) },
    // The default of OpenID Connect Core, section 2.
    algorithms: ['RS256'],
    stepUp: null,
    authTime: 'required',
  }),
});
