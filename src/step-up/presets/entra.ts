import * as z from 'zod';
import { exactly, provider, shared } from '../issuer-entry.ts';

const tenant = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, {
    error: 'must be the GUID of the tenant: for "common" or a domain name the issuer would not be exact',
  })
  .toLowerCase();

/** Authentication context of Conditional Access that marks the step-up. */
const authContext = z.string().regex(/^c([1-9]|[1-9]\d)$/, 'must be "c1" to "c99"');

export const entra = provider({
  name: 'entra',
  schema: z.strictObject({
    preset: z.literal('entra'),
    tenant,
    version: z.enum(['v1', 'v2']).optional(),
    auth_context: authContext.optional(),
    ...shared,
  }),
  preset: ({ tenant: id, version, auth_context }) => {
    const login = `https://login.microsoftonline.com/${id}`;
    return {
      ...exactly(version === 'v1' ? `https://sts.windows.net/${id}/` : `${login}/v2.0`),
      keys: { kind: 'uri', uri: `${login}/discovery/${version === 'v1' ? '' : 'v2.0/'}keys` },
      algorithms: ['RS256'],
      stepUp: auth_context === undefined ? null : { kind: 'includes', claim: 'acrs', includes: auth_context },
      stepUpKey: 'auth_context',
      // `sub` differs between the applications of a tenant.
      subjectClaim: 'oid',
      authTime: 'required',
    };
  },
});
