import * as z from 'zod';
import { exactly, host, provider, shared } from '../issuer-entry.ts';

/** @see https://auth0.com/docs/secure/multi-factor-authentication/step-up-authentication */
export const auth0 = provider({
  name: 'auth0',
  schema: z.strictObject({ preset: z.literal('auth0'), domain: host, ...shared }),
  preset: ({ domain }) => ({
    ...exactly(`https://${domain}/`),
    keys: { kind: 'uri', uri: `https://${domain}/.well-known/jwks.json` },
    algorithms: ['RS256'],
    stepUp: { kind: 'amr', values: ['mfa'] },
    authTime: 'required',
  }),
});
