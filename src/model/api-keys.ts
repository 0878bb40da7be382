import * as z from 'zod';

/** What a caller may do. `admin` may do all of it. */
export const RIGHTS = [
  'check',
  'events',
  'state_subject',
  'subjects.read',
  'subjects.erase',
  'rules.read',
  'replay',
  'admin',
] as const;
export type Right = (typeof RIGHTS)[number];

/** Rights of callers in the short form of API_KEYS: check, and report events. */
export const USUAL_RIGHTS: readonly Right[] = ['check', 'events'];

/** One caller's key, in clear or as its SHA-256. */
export type ApiKey = { readonly name: string; readonly rights: readonly Right[] } & (
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'sha256'; readonly hex: string }
);

/** How callers are named. */
export const CALLER_NAME = /^[A-Za-z0-9._-]{1,64}$/;

const entry = z.strictObject({
  name: z.string().regex(CALLER_NAME, 'must be 1 to 64 letters, digits, `.`, `_` and `-`'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'must have 64 hexadecimal digits')
    .toLowerCase(),
  rights: z.array(z.enum(RIGHTS)).min(1, `must name at least one of ${RIGHTS.join(', ')}`),
});

/** A keys file: callers with their rights and the digests of their secrets, never a secret. */
export const keysDocument = z
  .strictObject({ version: z.literal(1), keys: z.array(entry) })
  .superRefine(({ keys }, context) => {
    for (const [i, { name, sha256 }] of keys.entries()) {
      const fault = (field: string, message: string): void =>
        context.addIssue({ code: 'custom', path: ['keys', i, field], message });
      if (keys.findIndex((other) => other.name === name) < i) fault('name', `names the caller ${name} again`);
      const twin = keys.find((other) => other.sha256 === sha256);
      if (twin !== undefined && twin.name !== name) fault('sha256', `is the key of ${twin.name} already`);
    }
  });
export type KeysDocument = z.output<typeof keysDocument>;

/** The keys of the text of such a file. */
export const keysText = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      // The parser's own message quotes the text.
      context.addIssue({ code: 'custom', message: 'is not valid JSON' });
      return z.NEVER;
    }
  })
  .pipe(keysDocument)
  .transform(({ keys }) =>
    keys.map(({ name, sha256, rights }): ApiKey => ({ name, rights, kind: 'sha256', hex: sha256 })),
  );
