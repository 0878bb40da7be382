import { type GetResult, hashComponents, load } from '@fingerprintjs/fingerprintjs';
import { within } from '../../../src/net/within.ts';
import { deviceHeader } from './device-header.ts';

/** Why there is no fingerprint. */
export type DeviceAbsence =
  /** No browser window: a server, or a worker. */
  | 'no_window'
  /** The time limit was reached. */
  | 'timed_out'
  /** The browser, an extension or the frame blocks most of the traits. */
  | 'blocked';

/** A recognised device. */
export interface CollectedDevice {
  readonly state: 'collected';
  /** 32 hexadecimal digits. Equal for identical machines with the same browser: a claim, never a proof. */
  readonly fingerprint: string;
  /** 0..1: how sure FingerprintJS is, for this platform, that the fingerprint distinguishes devices. */
  readonly confidence: number;
  /** Short hash per group of traits, without blocked groups. */
  readonly components: { readonly [name: string]: string };
  /** Null if detection was off or failed. */
  readonly bot: boolean | null;
  /** Value of `X-Stepgate-Device`. */
  readonly header: string;
}

/** No fingerprint, and why. */
export interface AbsentDevice {
  readonly state: 'absent';
  readonly why: DeviceAbsence;
  readonly header: null;
}

/** What the browser shows of its device. */
export type DeviceReport = CollectedDevice | AbsentDevice;

/** Detects automation; see `@stepgate/browser/bot`. */
export type DetectBot = () => Promise<boolean>;

export interface CollectOptions {
  /** In milliseconds, default 1000. A source that blocks the thread cannot be interrupted. */
  readonly timeoutMs?: number;
  /** Default: no detection of automation. */
  readonly detectBot?: DetectBot;
}

const TIMEOUT_MS = 1000;
/** Hexadecimal digits of a component's hash: enough to notice a change, too few to look a value up. */
const COMPONENT_DIGITS = 4;
/** With fewer groups, the fingerprint would identify the blocker rather than the device. */
const LEAST_GROUPS = 4;

type Sources = GetResult['components'];
type SourceName = keyof Sources;
type Component = Sources[SourceName];

/**
 * Sources of the fingerprint. Excluded is everything that changes on one device between hours or pages: the screen in use, its
 * colours and density, accessibility settings, time zone, headphones, storage, content blockers, and HTTPS-only traits.
 */
const FINGERPRINT_SOURCES: readonly SourceName[] = [
  'architecture',
  'audio',
  'canvas',
  'cpuClass',
  'dateTimeLocale',
  'fonts',
  'hardwareConcurrency',
  'languages',
  'math',
  'osCpu',
  'pdfViewerEnabled',
  'platform',
  'plugins',
  'touchSupport',
  'vendor',
  'vendorFlavors',
  'webGlBasics',
  'webGlExtensions',
];

/** Eight groups, the number that Stepgate stores per device, so that a change in one group weighs an eighth. */
const GROUPS: { readonly [name: string]: readonly SourceName[] } = {
  audio: ['audio'],
  browser: ['vendor', 'vendorFlavors', 'plugins', 'pdfViewerEnabled'],
  canvas: ['canvas'],
  fonts: ['fonts'],
  locale: ['languages', 'dateTimeLocale', 'timezone'],
  machine: ['architecture', 'cpuClass', 'hardwareConcurrency', 'math', 'osCpu', 'platform', 'touchSupport'],
  screen: ['screenResolution', 'colorDepth'],
  webgl: ['webGlBasics', 'webGlExtensions'],
};

/**
 * Reads the traits of the device. Sends nothing, stores nothing and never rejects: without a fingerprint it returns the reason.
 * Every call reads them again.
 */
export async function collectDevice({ timeoutMs = TIMEOUT_MS, detectBot }: CollectOptions = {}): Promise<DeviceReport> {
  if (typeof window === 'undefined' || typeof document === 'undefined') return absent('no_window');
  const looked = Promise.all([look(), detectBot === undefined ? null : detectBot().catch(() => null)]);
  const [traits, bot] = await within(timeoutMs, looked, () => [absent('timed_out'), null] as const);
  if ('state' in traits) return traits;
  return { state: 'collected', ...traits, bot, header: deviceHeader({ ...traits, bot }) };
}

type Traits = Pick<CollectedDevice, 'fingerprint' | 'confidence' | 'components'>;

async function look(): Promise<Traits | AbsentDevice> {
  let result: GetResult;
  try {
    // By default the library reports one load in a thousand to its maker.
    const agent = await load({ monitoring: false });
    result = await agent.get();
  } catch {
    return absent('blocked');
  }
  const found = { ...result.components, webGlExtensions: withoutAttributes(result.components.webGlExtensions) };
  const components: { [name: string]: string } = {};
  for (const [name, sources] of Object.entries(GROUPS)) {
    const group = only(found, sources);
    if (Object.values(group).some(isUnseen) || (name === 'canvas' && !showsPictures(group))) continue;
    components[name] = hashComponents(group).slice(0, COMPONENT_DIGITS);
  }
  if (Object.keys(components).length < LEAST_GROUPS) return absent('blocked');
  const fingerprint = hashComponents(only(found, FINGERPRINT_SOURCES));
  return { fingerprint, confidence: result.confidence.score, components };
}

/** A source that threw, or that has no value, which it reports as a negative number. */
function isUnseen(component: Component): boolean {
  return 'error' in component || (typeof component.value === 'number' && component.value < 0);
}

/**
 * False if the browser returns something other than what was drawn, which is then equal in all such browsers. The library
 * reports this in words; some browsers return one and the same image for every drawing.
 */
function showsPictures({ canvas }: Partial<Sources>): boolean {
  if (canvas === undefined || 'error' in canvas) return false;
  const { geometry, text } = canvas.value;
  return isPicture(geometry) && isPicture(text) && drawingShows();
}

function isPicture(value: string): boolean {
  return value.startsWith('data:image/');
}

function drawingShows(): boolean {
  const canvas = document.createElement('canvas');
  const blank = canvas.toDataURL();
  canvas.getContext('2d')?.fillRect(0, 0, canvas.width / 2, canvas.height);
  return canvas.toDataURL() !== blank;
}

/** Drops what was requested of WebGL rather than measured: Chromium gives cross-site frames another power preference. */
function withoutAttributes(extensions: Sources['webGlExtensions']): Sources['webGlExtensions'] {
  if ('error' in extensions || typeof extensions.value === 'number') return extensions;
  return { ...extensions, value: { ...extensions.value, contextAttributes: [] } };
}

function only(components: Sources, names: readonly SourceName[]): Partial<Sources> {
  return Object.fromEntries(names.map((name) => [name, components[name]]));
}

function absent(why: DeviceAbsence): AbsentDevice {
  return { state: 'absent', why, header: null };
}
