/** Header that carries a device's claim, on the request that it belongs to. */
export const DEVICE_HEADER = 'X-Stepgate-Device';
const FINGERPRINT = /^[A-Za-z0-9._~+/=-]{1,256}$/;
const NAME = /^[a-z][a-z0-9_]{0,31}$/;
const VALUE = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_COMPONENTS = 32;
const MAX_LENGTH = 1024;
/**
 * The value of `X-Stepgate-Device`, printable ASCII of at most 1,024 characters:
 * `v=1;fp=b1946ac9…;confidence=0.7;bot=0;c.canvas=a1b2`. Of use with another collector; {@link collectDevice} brings its own.
 *
 * @throws {RangeError} that names the trait which cannot be sent
 */
export function deviceHeader({ fingerprint, confidence, bot, components = {} }) {
    if (!FINGERPRINT.test(fingerprint))
        throw unsendable('fingerprint', fingerprint, FINGERPRINT);
    const parts = ['v=1', `fp=${fingerprint}`];
    if (confidence != null) {
        if (!(confidence >= 0 && confidence <= 1))
            throw new RangeError(`confidence must be 0 to 1, found ${confidence}`);
        parts.push(`confidence=${Math.round(confidence * 100) / 100}`);
    }
    if (bot != null)
        parts.push(`bot=${bot ? 1 : 0}`);
    const entries = Object.entries(components);
    if (entries.length > MAX_COMPONENTS) {
        throw new RangeError(`at most ${MAX_COMPONENTS} components can be sent, found ${entries.length}`);
    }
    for (const [name, value] of entries) {
        if (!NAME.test(name))
            throw unsendable('component name', name, NAME);
        if (!VALUE.test(value))
            throw unsendable(`component ${name}`, value, VALUE);
        parts.push(`c.${name}=${value}`);
    }
    const header = parts.join(';');
    if (header.length > MAX_LENGTH) {
        throw new RangeError(`the header may have ${MAX_LENGTH} characters, found ${header.length}: leave components out`);
    }
    return header;
}
function unsendable(trait, found, allowed) {
    return new RangeError(`${trait} must match ${allowed.source}, found ${JSON.stringify(found.slice(0, 80))}`);
}
