import * as z from 'zod';
import { exactly, host, provider, shared, urlPart } from '../issuer-entry.ts';

export const okta = provider({
  name: 'okta',
  schema: z.strictObject({
    preset: z.literal('okta'),
    domain: host,
    /** Id of a custom authorization server; null for the organisation's own server. */
    server: urlPart.nullable().optional(),
    ...shared,
  }),
  preset: ({ domain, server = 'default' }) => {
    const issuer = `https://${domain}${server === null ? '' : `/oauth2/${server}`}`;
    return {
      ...exactly(issuer),
      keys: { kind: 'uri', uri: `${issuer}${server === null ? '/oauth2' : ''}/v1/keys` },
      algorithms: ['RS256'],
      // `…:ifpossible` is left out because it can be met without a second factor.
      stepUp: { kind: 'acr', values: ['urn:okta:loa:2fa:any', 'phr', 'phrh'] },
      authTime: 'required',
    };
  },
});
