import { withoutPlaceholders } from '../model/placeholder.ts';
/** Header with what a collector says of the client's device, as `stepgate/client` writes it. */
export const DEVICE_HEADER = 'x-stepgate-device';
const MAX_LENGTH = 1024;
const MAX_COMPONENTS = 32;
const FINGERPRINT = /^[A-Za-z0-9._~+/=-]{1,256}$/;
const CONFIDENCE = /^(?:0(?:\.\d{1,2})?|1(?:\.0{1,2})?)$/;
const BOT = /^[01]$/;
const COMPONENT = /^c\.([a-z][a-z0-9_]{0,31})$/;
const COMPONENT_VALUE = /^[A-Za-z0-9_-]{1,64}$/;
/**
 * Reads `v=1;fp=…;confidence=0.7;bot=0;c.canvas=a1b2;…`: the version first, then each key once in any order, `fp` among them. Null for
 * anything else, such as another version, an unknown key or two header lines joined by a comma: half a claim would be another one.
 */
export function readDeviceHeader(text) {
    if (text.length > MAX_LENGTH)
        return null;
    const [version, ...pairs] = text.split(';');
    if (version !== 'v=1')
        return null;
    const values = new Map();
    for (const pair of pairs) {
        const at = pair.indexOf('=');
        const key = pair.slice(0, at);
        if (at === -1 || values.has(key))
            return null;
        values.set(key, pair.slice(at + 1));
    }
    const { fp, confidence, bot, ...rest } = Object.fromEntries(values);
    if (fp === undefined || !FINGERPRINT.test(fp))
        return null;
    if (confidence !== undefined && !CONFIDENCE.test(confidence))
        return null;
    if (bot !== undefined && !BOT.test(bot))
        return null;
    const components = Object.entries(rest).map(([key, value]) => [COMPONENT.exec(key)?.[1], value]);
    if (components.length > MAX_COMPONENTS)
        return null;
    if (components.some(([name, value]) => name === undefined || !COMPONENT_VALUE.test(value)))
        return null;
    return {
        fingerprint: fp,
        confidence: confidence === undefined ? null : Number(confidence),
        bot: bot === undefined ? null : bot === '1',
        components: Object.fromEntries(components),
    };
}
/** What a client shows of its device by token and header; null where it shows nothing. */
export function deviceShown(token, header) {
    if (token === null && header === null)
        return null;
    const traits = header === null ? null : readDeviceHeader(header);
    return withoutPlaceholders({
        ...(traits ?? { fingerprint: null, confidence: null, bot: null, components: {} }),
        token,
        malformed: header !== null && traits === null,
    });
}
