import * as z from 'zod';
import { address, exactly, provider, shared, urlPart, withoutSlash } from '../issuer-entry.ts';

export const keycloak = provider({
  name: 'keycloak',
  schema: z.strictObject({ preset: z.literal('keycloak'), base: address, realm: urlPart, ...shared }),
  preset: ({ base, realm }) => {
    const issuer = `${withoutSlash(base)}/realms/${realm}`;
    return {
      ...exactly(issuer),
      keys: { kind: 'uri', uri: `${issuer}/protocol/openid-connect/certs` },
      algorithms: ['RS256'],
      stepUp: { kind: 'acr', values: ['2'] },
      acrOrder: ['0', '1', '2', '3'],
      // Access, ID, refresh and unfinished log-in tokens are all signed by the realm; only this claim differs.
      tokenType: { claim: 'typ', allowed: ['Bearer'], refused: [] },
      authTime: 'required',
    };
  },
});
