import { parse as parseDomain } from 'tldts';
import * as z from 'zod';
import { type ApiKey, keysText, USUAL_RIGHTS } from '../model/api-keys.ts';
import { issueSentence } from '../model/issue.ts';
import { parseTrustedProxies, type TrustedProxies, TrustedProxiesError } from '../net/client-ip.ts';
import { parseRedisUrl, RedisUrlError } from '../store/redis/url.ts';

const MIN_SECRET_BYTES = 32;

/** A secret that keys an HMAC. */
export const longSecret = z
  .string()
  .refine(
    (value) => new TextEncoder().encode(value).length >= MIN_SECRET_BYTES,
    `must be at least ${MIN_SECRET_BYTES} bytes; make one with \`openssl rand -base64 48\``,
  );

const namedKeys = z.string().transform((value, context): readonly ApiKey[] => {
  const keys: ApiKey[] = [];
  for (const [i, entry] of listOf(value).entries()) {
    const [, name, rest] = /^([A-Za-z0-9._-]{1,64}):(.+)$/.exec(entry) ?? [];
    const fault = (message: string) => context.addIssue({ code: 'custom', message: `entry ${i + 1} ${message}` });
    if (name === undefined || rest === undefined) {
      fault('must be `name:secret` or `name:sha256:hex`, where the name has letters, digits, `.`, `_` and `-`');
    } else if (keys.some((key) => key.name === name)) {
      fault(`uses the name ${name} twice; give each key its own name`);
    } else if (rest.startsWith('sha256:')) {
      const hex = rest.slice('sha256:'.length);
      if (/^[0-9a-f]{64}$/i.test(hex))
        keys.push({ name, rights: USUAL_RIGHTS, kind: 'sha256', hex: hex.toLowerCase() });
      else fault('must have 64 hexadecimal digits after `sha256:`');
    } else if (rest.length < MIN_API_KEY_LENGTH || !/^[!-~]+$/.test(rest)) {
      fault(`must have a secret of at least ${MIN_API_KEY_LENGTH} printable ASCII characters without spaces`);
    } else {
      keys.push({ name, rights: USUAL_RIGHTS, kind: 'secret', secret: rest });
    }
  }
  if (keys.length === 0 && context.issues.length === 0)
    context.addIssue({ code: 'custom', message: 'contains no key' });
  return keys;
});

/** JSON is a keys file: no caller's name starts like one. */
export const apiKeys = z.string().transform((value, context): readonly ApiKey[] => {
  const read = (value.startsWith('{') ? keysText : namedKeys).safeParse(value, { reportInput: true });
  if (read.success) return read.data;
  for (const issue of read.error.issues) context.addIssue({ code: 'custom', message: issueSentence(issue) });
  return z.NEVER;
});

/** Minimum length of a plain API key, in characters. */
const MIN_API_KEY_LENGTH = 16;

/** The URL of a Redis, or those of a cluster. */
export const redisUrl = z.string().transform((value, context): string => {
  try {
    parseRedisUrl(value);
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error;
    context.addIssue({ code: 'custom', message: error.message.replace(/^REDIS_URL:? /, '') });
  }
  return value;
});

/** CIDRs, `unix:` and `hops:N`. Unset trusts no proxy. */
export const trustedProxies = z
  .string()
  .optional()
  .transform((value, context): TrustedProxies => {
    try {
      return parseTrustedProxies(value ?? '');
    } catch (error) {
      if (!(error instanceof TrustedProxiesError)) throw error;
      context.addIssue({ code: 'custom', message: error.message.replace(/^TRUSTED_PROXIES: /, '') });
      return z.NEVER;
    }
  });

/** Comma-separated entries, trimmed, without empty ones. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/;

/** A host allowed in `return_to`, or `*.` and a domain for all hosts below it. */
export const returnHost = z
  .string()
  .toLowerCase()
  .refine(
    (value) => HOST.test(value.replace(/^\*\./, '')),
    'must be a host name, with a port unless it is the default, or *.example.com',
  )
  .refine((value) => !value.startsWith('*.') || isOneOwners(value.slice(2)), {
    error: ({ input }) =>
      `allows hosts of strangers: anybody can register a name below ${String(input).slice(2)}; name a domain of your own, such as *.shop.example`,
  });

/** Whether all hosts below a domain belong to one owner, by the Public Suffix List. */
function isOneOwners(domain: string): boolean {
  return parseDomain(domain, { allowPrivateDomains: true }).domain !== null;
}

/** Plain HTTP is allowed for local development only. */
function isSecureUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK_HOSTS.includes(url.hostname));
}

const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** The page where a browser steps up. */
export const stepUpUrl = z
  .string()
  .max(512, 'must have at most 512 characters')
  .refine(isSecureUrl, 'must be an absolute https:// URL without user and fragment (http:// only for localhost)')
  .transform((value) => new URL(value).href);

/** A URL of this service, without a trailing slash. */
export const publicUrl = z
  .string()
  .refine(
    (value) => isSecureUrl(value) && new URL(value).search === '',
    'must be an absolute https:// URL without user, query and fragment (http:// only for localhost)',
  )
  .transform((value) => new URL(value).href.replace(/\/+$/, ''));

/** Where a style sheet is: an https URL, or a path. */
export const pagesCss = z
  .string()
  .max(512)
  .refine(
    (value) => /^\/(?!\/)[!-~]*$/.test(value) || isSecureUrl(value),
    'must be an https:// URL or a path that starts with one /',
  );
