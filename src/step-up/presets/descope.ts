import * as z from 'zod';
import { address, provider, shared, withoutSlash } from '../issuer-entry.ts';

export const descope = provider({
  name: 'descope',
  schema: z.strictObject({
    preset: z.literal('descope'),
    project_id: z.string().regex(/^P[A-Za-z0-9]+$/, 'must be the id of a project, "P…"'),
    /** API of another region, or a custom domain. */
    base_url: address.optional(),
    ...shared,
  }),
  preset: ({ project_id, base_url = 'https://api.descope.com' }) => ({
    name: project_id,
    issuer: { kind: 'project', id: project_id },
    metadata: `${withoutSlash(base_url)}/${project_id}/.well-known/openid-configuration`,
    keys: { kind: 'uri', uri: `${withoutSlash(base_url)}/v2/keys/${project_id}` },
    algorithms: ['RS256'],
    stepUp: { kind: 'equals', claim: 'su', equals: true },
    // A token that does name an audience must name this one (RFC 7519, section 4.1.3).
    audience: { values: [project_id], pinned: true },
    // Refresh tokens carry the claims of session tokens; only this one differs.
    tokenType: { claim: 'drn', allowed: null, refused: ['DSR'] },
    // Tokens have no `auth_time`, and a refresh drops `su`, so single use spends one token.
    authTime: 'or_iat',
  }),
});
