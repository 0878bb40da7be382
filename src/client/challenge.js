/**
 * The step-up that an answer asks for; null for any other answer. Cross-origin it is seen only where the server sends
 * `Access-Control-Expose-Headers: WWW-Authenticate`.
 */
export function stepUpOf(response) {
    return response.status === 401 ? stepUpChallenge(response.headers.get('WWW-Authenticate')) : null;
}
/** The step-up among the challenges of a `WWW-Authenticate` value (RFC 9470, section 3); null where there is none. */
export function stepUpChallenge(value) {
    for (const { scheme, parameters } of challengesOf(value ?? '')) {
        // DPoP-bound tokens are challenged under their own scheme (RFC 9449, section 7.1).
        if (scheme !== 'bearer' && scheme !== 'dpop')
            continue;
        if (parameters.get('error') !== 'insufficient_user_authentication')
            continue;
        return {
            acrValues: (parameters.get('acr_values') ?? '').split(' ').filter((acr) => acr !== ''),
            maxAge: secondsOf(parameters.get('max_age')),
            reason: parameters.get('error_description') ?? null,
        };
    }
    return null;
}
function secondsOf(text) {
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}
const SEPARATOR = /[ \t]*(?:,[ \t]*)*/y;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))/y;
/**
 * Challenges in their order (RFC 9110, section 11.6.1), several header lines joined by commas included. What follows the first
 * mistake in the grammar is not read.
 */
function challengesOf(value) {
    const challenges = [];
    let at = 0;
    const take = (pattern) => {
        pattern.lastIndex = at;
        const match = pattern.exec(value);
        if (match !== null)
            at = pattern.lastIndex;
        return match;
    };
    take(SEPARATOR);
    while (at < value.length) {
        const scheme = take(TOKEN)?.[0];
        if (scheme === undefined)
            break;
        const parameters = new Map();
        challenges.push({ scheme: scheme.toLowerCase(), parameters });
        const separator = take(SEPARATOR)?.[0] ?? '';
        if (at === value.length || separator.includes(','))
            continue;
        if (separator === '')
            break;
        if (take(TOKEN68) === null) {
            for (let parameter = take(PARAMETER); parameter !== null; parameter = take(PARAMETER)) {
                const [, name = '', quoted, token = ''] = parameter;
                parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token);
                const next = take(SEPARATOR)?.[0] ?? '';
                if (at < value.length && !next.includes(','))
                    return challenges;
            }
        }
        else if (!(take(SEPARATOR)?.[0] ?? '').includes(','))
            break;
    }
    return challenges;
}
