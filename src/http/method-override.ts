import type { ReadHeader } from './client-headers.ts';
import { normaliseMethod } from './routes.ts';

/** Headers by which a client may try to pass for another method. They are compared and never taken. */
const OVERRIDE_HEADERS = [
  'x-original-method',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-http-verb-override',
  'x-tunneled-method',
];

/**
 * Names in the query by which frameworks take another method: `_method` (Rails, Laravel, Symfony, Spring, Express, CakePHP, Yii),
 * `_HttpMethod` (Salesforce), the names of the headers (ServiceStack, Google's APIs), `x-tunneled-method` (Plack). Spelled as
 * {@link nameOf} leaves them.
 */
const OVERRIDE_NAMES: ReadonlySet<string> = new Set([
  'httpmethod',
  'httpmethodoverride',
  'methodoverride',
  'overridemethod',
  ...OVERRIDE_HEADERS.map((name) => name.replaceAll('-', '')),
]);
/** `_method`, `__method`, `$method`: a mark before the word says that it is not the application's own. */
const MARKED_METHOD = /^[_$]+method_*$/;

/** Names that mean much else: they count only where they name a method that is registered and changes things (Restlet, DreamFactory). */
const PLAIN_NAMES: ReadonlySet<string> = new Set(['method', 'requestmethod', 'verb', 'httpverb']);
const METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'HEAD']);

/** Levels of percent-encoding that are followed, as in paths. */
const MAX_DECODINGS = 3;

/** Whether a header or the query names another method than the gateway did. A form in the body may too, and is never read. */
export function namesOtherMethod(header: ReadHeader, target: string | null, method: string | null): boolean {
  return (
    OVERRIDE_HEADERS.some((name) => isOther(header(name), method)) ||
    (target !== null && queryNamesOtherMethod(target, method))
  );
}

/** Whether the query of a request target names another method. */
export function queryNamesOtherMethod(target: string, method: string | null): boolean {
  // Behind an encoded question mark, too, there is a query to an origin that decodes first.
  const [, ...queries] = target.split(/\?|%(?:25)*3f/i);
  return queries
    .flatMap((query) => query.split(/[&;]/))
    .some((pair) => {
      const [name = '', ...value] = decoded(pair).split('=');
      const other = value.join('=').trim();
      if (!isOther(other, method)) return false;
      const named = nameOf(name);
      const word = named.replace(/[_$]/g, '');
      if (MARKED_METHOD.test(named) || OVERRIDE_NAMES.has(word)) return true;
      return PLAIN_NAMES.has(word) && METHODS.has(other.toUpperCase());
    });
}

function isOther(named: string | null, method: string | null): boolean {
  return named !== null && named !== '' && normaliseMethod(named) !== method;
}

/** As PHP and Rack read a name: without blanks around it, `_method[]` and `_method[x]` as `_method`, `.`, `-` and blanks as `_`. */
function nameOf(text: string): string {
  return (text.trim().split(/[[\0]/, 1)[0] ?? '').toLowerCase().replace(/[ .-]/g, '_');
}

/** Only names in ASCII matter, so that a byte is as good as a character. */
function decoded(pair: string): string {
  let text = pair.replaceAll('+', ' ');
  for (let level = 0; level < MAX_DECODINGS && text.includes('%'); level += 1) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_escape, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  return text;
}
