/** Header with what a collector measured of the client's device. */
export const DEVICE_HEADER = 'x-stepgate-device';

/** What a collector measured of its device. */
export interface DeviceTraits {
  /** 1 to 256 characters of `A-Z a-z 0-9 - . _ ~ + / =`. */
  readonly fingerprint: string;
  /** 0..1, as the collector reports it; sent with two decimals. */
  readonly confidence?: number | null;
  /** Whether automation was detected; null or absent if not checked. */
  readonly bot?: boolean | null;
  /**
   * Short hashes of parts of the fingerprint by name, at most 32. Names are lower-case words of at most 32 characters, values 1 to
   * 64 characters of `A-Z a-z 0-9 _ -`. Stepgate keeps eight of a device.
   */
  readonly components?: { readonly [name: string]: string };
}

const MAX_LENGTH = 1024;
const MAX_COMPONENTS = 32;
const FINGERPRINT = /^[A-Za-z0-9._~+/=-]{1,256}$/;
const CONFIDENCE = /^(?:0(?:\.\d{1,2})?|1(?:\.0{1,2})?)$/;
const BOT = /^[01]$/;
const NAME = /^[a-z][a-z0-9_]{0,31}$/;
const NAME_PREFIX = 'c.';
const VALUE = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * The value of `X-Stepgate-Device`, printable ASCII of at most 1,024 characters:
 * `v=1;fp=b1946ac9…;confidence=0.7;bot=0;c.canvas=a1b2`. Of use with another collector; `collectDevice` brings its own.
 *
 * @throws {RangeError} that names the trait which cannot be sent
 */
export function deviceHeader({ fingerprint, confidence, bot, components = {} }: DeviceTraits): string {
  if (!FINGERPRINT.test(fingerprint)) throw unsendable('fingerprint', fingerprint, FINGERPRINT);
  const parts = ['v=1', `fp=${fingerprint}`];
  if (confidence != null) {
    if (!(confidence >= 0 && confidence <= 1)) throw new RangeError(`confidence must be 0 to 1, found ${confidence}`);
    parts.push(`confidence=${Math.round(confidence * 100) / 100}`);
  }
  if (bot != null) parts.push(`bot=${bot ? 1 : 0}`);
  const entries = Object.entries(components);
  if (entries.length > MAX_COMPONENTS) {
    throw new RangeError(`at most ${MAX_COMPONENTS} components can be sent, found ${entries.length}`);
  }
  for (const [name, value] of entries) {
    if (!NAME.test(name)) throw unsendable('component name', name, NAME);
    if (!VALUE.test(value)) throw unsendable(`component ${name}`, value, VALUE);
    parts.push(`${NAME_PREFIX}${name}=${value}`);
  }
  const header = parts.join(';');
  if (header.length > MAX_LENGTH) {
    throw new RangeError(`the header may have ${MAX_LENGTH} characters, found ${header.length}: leave components out`);
  }
  return header;
}

function unsendable(trait: string, found: string, allowed: RegExp): RangeError {
  return new RangeError(`${trait} must match ${allowed.source}, found ${JSON.stringify(found.slice(0, 80))}`);
}

/**
 * Reads `v=1;fp=…;confidence=0.7;bot=0;c.canvas=a1b2;…`: the version first, then each key once in any order, `fp` among them. Null for
 * anything else, such as another version, an unknown key or two header lines joined by a comma: half a claim would be another one.
 */
export function readDeviceHeader(text: string): Required<DeviceTraits> | null {
  if (text.length > MAX_LENGTH) return null;
  const [version, ...pairs] = text.split(';');
  if (version !== 'v=1') return null;
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at);
    if (at === -1 || values.has(key)) return null;
    values.set(key, pair.slice(at + 1));
  }
  const { fp, confidence, bot, ...rest } = Object.fromEntries(values);
  if (fp === undefined || !FINGERPRINT.test(fp)) return null;
  if (confidence !== undefined && !CONFIDENCE.test(confidence)) return null;
  if (bot !== undefined && !BOT.test(bot)) return null;
  const components = Object.entries(rest).map(([key, value]) => [componentName(key), value] as const);
  if (components.length > MAX_COMPONENTS) return null;
  if (components.some(([name, value]) => name === null || !VALUE.test(value))) return null;
  return {
    fingerprint: fp,
    confidence: confidence === undefined ? null : Number(confidence),
    bot: bot === undefined ? null : bot === '1',
    components: Object.fromEntries(components),
  };
}

function componentName(key: string): string | null {
  const name = key.slice(NAME_PREFIX.length);
  return key.startsWith(NAME_PREFIX) && NAME.test(name) ? name : null;
}
