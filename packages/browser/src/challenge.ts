/** What a step-up has to prove. */
export interface StepUpRequirement {
  /** Acceptable assurance classes, preferred first; empty if any is acceptable. */
  readonly acrValues: readonly string[];
  /**
   * Greatest age of the authentication in seconds; null if the challenge does not say. 0 means now: the provider has to ask even if
   * it has a session, and the proof counts for one request.
   */
  readonly maxAge: number | null;
  /** A sentence from the server for developers, such as why the proof that was sent is not enough. */
  readonly reason: string | null;
}

/** One challenge of `WWW-Authenticate`. */
interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * The step-up that a response asks for; null for any other response. Cross-origin it is visible only if the server sends
 * `Access-Control-Expose-Headers: WWW-Authenticate`.
 */
export function stepUpOf(response: Pick<Response, 'status' | 'headers'>): StepUpRequirement | null {
  return response.status === 401 ? stepUpChallenge(response.headers.get('WWW-Authenticate')) : null;
}

/** The step-up in a `WWW-Authenticate` value (RFC 9470, section 3); null if there is none. */
export function stepUpChallenge(value: string | null): StepUpRequirement | null {
  for (const { scheme, parameters } of challengesOf(value ?? '')) {
    // DPoP-bound tokens are challenged under their own scheme (RFC 9449, section 7.1).
    if (scheme !== 'bearer' && scheme !== 'dpop') continue;
    if (parameters.get('error') !== 'insufficient_user_authentication') continue;
    return {
      acrValues: (parameters.get('acr_values') ?? '').split(' ').filter((acr) => acr !== ''),
      maxAge: secondsOf(parameters.get('max_age')),
      reason: parameters.get('error_description') ?? null,
    };
  }
  return null;
}

function secondsOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

const SEPARATOR = /[ \t]*(?:,[ \t]*)*/y;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))/y;

/**
 * Challenges in order (RFC 9110, section 11.6.1), also from several header lines joined by commas. Stops at the first grammar
 * error.
 */
function challengesOf(value: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(value);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  take(SEPARATOR);
  while (at < value.length) {
    const scheme = take(TOKEN)?.[0];
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    const separator = take(SEPARATOR)?.[0] ?? '';
    if (at === value.length || separator.includes(',')) continue;
    if (separator === '') break;
    if (take(TOKEN68) === null) {
      for (let parameter = take(PARAMETER); parameter !== null; parameter = take(PARAMETER)) {
        const [, name = '', quoted, token = ''] = parameter;
        parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token);
        const next = take(SEPARATOR)?.[0] ?? '';
        if (at < value.length && !next.includes(',')) return challenges;
      }
    } else if (!(take(SEPARATOR)?.[0] ?? '').includes(',')) break;
  }
  return challenges;
}
