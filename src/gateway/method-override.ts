import type { ReadHeader } from '../contract/client-headers.ts';
import { normaliseMethod } from '../rules/route-table.ts';
import { queryPairs } from './query.ts';

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
 * {@link queryPairs} has them.
 */
const OVERRIDE_NAMES: ReadonlySet<string> = new Set([
  'httpmethod',
  'httpmethodoverride',
  'methodoverride',
  'overridemethod',
  ...OVERRIDE_HEADERS.map((name) => name.replaceAll('-', '')),
]);
/** `_method`, `__method`, `$method`: the mark shows that the name is the framework's, not the application's. */
const MARKED_METHOD = /^[_$]+method_*$/;

/** Ambiguous names: they count only if they name a registered method that changes things (Restlet, DreamFactory). */
const PLAIN_NAMES: ReadonlySet<string> = new Set(['method', 'requestmethod', 'verb', 'httpverb']);
const METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'HEAD']);

/** Whether a header or the query names another method than the gateway did. A form in the body may too, and is never read. */
export function namesOtherMethod(header: ReadHeader, target: string | null, method: string | null): boolean {
  return (
    OVERRIDE_HEADERS.some((name) => isOther(header(name), method)) ||
    (target !== null && queryNamesOtherMethod(target, method))
  );
}

/** Whether the query of a request target names another method. */
export function queryNamesOtherMethod(target: string, method: string | null): boolean {
  return queryPairs(target).some(({ name, value }) => {
    const other = value.trim();
    if (!isOther(other, method)) return false;
    const word = name.replace(/[_$]/g, '');
    if (MARKED_METHOD.test(name) || OVERRIDE_NAMES.has(word)) return true;
    return PLAIN_NAMES.has(word) && METHODS.has(other.toUpperCase());
  });
}

function isOther(named: string | null, method: string | null): boolean {
  return named !== null && named !== '' && normaliseMethod(named) !== method;
}
