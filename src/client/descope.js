/**
 * Steps up with one of the methods of `@descope/web-js-sdk`, such as TOTP:
 * `descopeLogin((loginOptions) => sdk.totp.verify(loginId, code, loginOptions, sdk.getRefreshToken()))`.
 * The refresh token says whose session is stepped up; leave it out where Descope keeps it in a cookie. The retried request carries
 * the new session token, which has `su: true`; where that is in a cookie, the cookie does.
 */
export function descopeLogin(authenticate) {
    return async (requirement) => {
        const answer = await authenticate({ stepup: true }, requirement);
        if (answer === null)
            return false;
        if (!answer.ok)
            throw descopeFault(answer.error);
        return answer.data?.sessionJwt || true;
    };
}
/**
 * Steps up in a flow. The page brings the element `descope-wc` of `@descope/web-component`. The flow sees the challenge as
 * `client.max_age` and `client.acr_values`: one that lets a recent step-up pass must not where `client.max_age` is 0.
 */
export function descopeFlow({ projectId, flowId = 'step-up', baseUrl, show }) {
    return async ({ acrValues, maxAge }) => {
        const flow = document.createElement('descope-wc');
        flow.setAttribute('project-id', projectId);
        flow.setAttribute('flow-id', flowId);
        if (baseUrl !== undefined)
            flow.setAttribute('base-url', baseUrl);
        const asked = { acr_values: acrValues.join(' '), ...(maxAge !== null && { max_age: maxAge }) };
        flow.setAttribute('client', JSON.stringify(asked));
        let hide = () => undefined;
        try {
            return await new Promise((resolve, reject) => {
                flow.addEventListener('success', (event) => resolve(sessionJwtOf(event) ?? true));
                flow.addEventListener('error', (event) => reject(descopeFault(detailOf(event))));
                hide = show(flow, () => resolve(false));
            });
        }
        finally {
            hide();
        }
    };
}
function detailOf(event) {
    const detail = event instanceof CustomEvent ? event.detail : null;
    return typeof detail === 'object' ? detail : null;
}
function sessionJwtOf(event) {
    const detail = detailOf(event);
    if (detail === null || !('sessionJwt' in detail))
        return null;
    return typeof detail.sessionJwt === 'string' && detail.sessionJwt !== '' ? detail.sessionJwt : null;
}
function descopeFault(error) {
    const code = error && 'errorCode' in error ? String(error.errorCode) : 'unknown';
    const description = error && 'errorDescription' in error ? `: ${String(error.errorDescription)}` : '';
    return new Error(`Descope ended the step-up with ${code}${description}`);
}
