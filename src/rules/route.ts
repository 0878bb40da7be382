import { nearMiss } from './problems.ts';

/** Registered methods (RFC 9110, section 16.1), to detect misspelt ones. Routes may use others. */
export const HTTP_METHODS: readonly string[] = (
  'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK ' +
  'MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND REPORT SEARCH ' +
  'UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL'
).split(' ');

/** The form of a route. A route of this form may still match no request. */
export const ROUTE_SHAPE =
  /^(?:\*|[A-Z][A-Z-]*) \/(?:(?:[^/\s{}*?#]+|\{[A-Za-z_]\w*\})\/)*(?:[^/\s{}*?#]+|\{[A-Za-z_]\w*\}|\*)?$/;

/** What is wrong with a route, and its correct form; null if requests can match it. */
export function routeProblem(route: string): string | null {
  const instead = matchable(route);
  if (instead === route) return null;
  const shape = 'Expected a method (or *) and a path, as in "POST /api/transfers/{id}/confirm" or "* /admin/*"';
  return instead === null ? shape : `${shape}. Write "${instead}"`;
}

/** The correct form of a route, itself if valid; null if the intention is unclear. */
function matchable(route: string): string | null {
  const parts = /^\s*(?:(\S+)\s+)?((?:https?:\/\/[^/\s]+)?[\^~]*\/.*?)\s*$/i.exec(route);
  if (parts === null) return null;
  const method = matchableMethod(parts[1] ?? '*');
  const path = matchablePath((parts[2] ?? '').replace(/^https?:\/\/[^/]+/i, '').replace(/^[\^~]+/, ''));
  const written = `${method} ${path}`;
  return ROUTE_SHAPE.test(written) ? written : null;
}

function matchableMethod(method: string): string {
  const upper = method.toUpperCase();
  if (upper === 'ANY' || upper === 'ALL') return '*';
  return HTTP_METHODS.includes(upper) ? upper : (nearMiss(upper, HTTP_METHODS) ?? upper);
}

function matchablePath(path: string): string {
  const cut = path.replace(/(?<=[\w)}>])\?(?=\/|$)/g, '').split(/[?#]/, 1)[0] ?? '';
  const written = cut.split(/[/\\]/).filter((segment) => segment !== '' && segment !== '.');
  const segments: string[] = [];
  for (const [i, segment] of written.entries()) {
    const plain = matchableSegment(segment, i === written.length - 1);
    if (plain === '..') segments.pop();
    else if (plain !== '' && plain !== '.') segments.push(plain);
  }
  return `/${segments.join('/')}${segments.length > 0 && /[^/]\/$/.test(cut) && segments.at(-1) !== '*' ? '/' : ''}`;
}

/** Parameters of other frameworks: `:id`, `<int:id>`, `{id:int}`, `[id]`, and those that match the whole rest. */
function matchableSegment(segment: string, isLast: boolean): string {
  if (isLast && (segment === '*' || REST.test(segment))) return '*';
  if (/^\{[A-Za-z_]\w*\}$/.test(segment)) return segment;
  if (/[{}<>[\]*|^"`]|^[:(]|[-.]:[A-Za-z_]|\(\?|\$$/.test(segment)) return parameter(segment);
  const decoded = decodedOnce(segment);
  if (decoded === null || /[/\\?#%\s{}*\p{Cc}]/u.test(decoded)) return '{any}';
  return decoded.replace(/;.*$/s, '');
}

const REST =
  /^(?:\*\*?\w*|\{\*+\w*\}|\{\w+(?:\.\.\.|\+|:path|:\.\*)\}|<path:\w+>|\[{1,2}\.\.\.\w+\]{1,2}|:\w+[*+]|\(?\.\*\)?)$/;

/** Takes the name from other notations: `id` from `<int:id>` as from `{id:int}`. */
function parameter(segment: string): string {
  const name =
    /<\w+:(\w+)>/.exec(segment)?.[1] ??
    /[{<[:(]([A-Za-z_][\w-]*)/.exec(segment)?.[1] ??
    /[A-Za-z_]\w*/.exec(segment)?.[0];
  return `{${name?.replaceAll('-', '_') ?? 'any'}}`;
}

function decodedOnce(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}
