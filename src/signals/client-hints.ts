import type { ClientHints } from '../model/request.ts';
import { clientTraits } from './client.ts';
import type { HintedClient } from './signal.ts';

/**
 * Reads what Chromium browsers say of themselves beside the user agent. Claims, like all of it; what cannot be read says nothing.
 * @see https://wicg.github.io/ua-client-hints/
 */
export function readHints({ brands, platform, mobile }: ClientHints, userAgent: string | null): HintedClient {
  const named = brands === null ? [] : brandsOf(brands);
  const own = named.find(({ brand }) => FAMILIES.has(brand));
  return {
    browser: own === undefined ? null : (FAMILIES.get(own.brand) ?? null),
    major: own?.major ?? null,
    contradict: userAgent === null ? null : contradicts(named, platform, mobile, userAgent),
  };
}

/** Brands by the family that user agents are recognised by; each list also has Chromium and a made-up brand. */
const FAMILIES: ReadonlyMap<string, string> = new Map([
  ['Google Chrome', 'chrome'],
  ['Microsoft Edge', 'edge'],
  ['Brave', 'brave'],
  ['Opera', 'opera'],
  ['Vivaldi', 'vivaldi'],
  ['Yandex', 'yandex'],
  ['YaBrowser', 'yandex'],
  ['Samsung Internet', 'samsung_internet'],
  ['DuckDuckGo', 'duckduckgo'],
]);

const SYSTEMS: ReadonlyMap<string, string> = new Map([
  ['Windows', 'windows'],
  ['macOS', 'macos'],
  ['Android', 'android'],
  ['Linux', 'linux'],
  ['Chrome OS', 'chromeos'],
  ['Chromium OS', 'chromeos'],
]);

interface Brand {
  readonly brand: string;
  readonly major: string;
}

/** `"Chromium";v="138", "Brave";v="138"`; a brand may hold any sign, also those that separate brands. */
function brandsOf(text: string): readonly Brand[] {
  return [...text.matchAll(/"([^"\\]{0,64})";\s?v="(\d{1,4})/g)].map(([, brand = '', major = '']) => ({
    brand,
    major,
  }));
}

function contradicts(
  brands: readonly Brand[],
  platform: string | null,
  mobile: string | null,
  userAgent: string,
): boolean | null {
  const { os, form } = clientTraits(userAgent);
  const compared: boolean[] = [];
  const engine = brands.find(({ brand }) => brand === 'Chromium');
  if (engine !== undefined) compared.push(/Chrom(?:e|ium)\/(\d{1,4})/.exec(userAgent)?.[1] !== engine.major);
  const system = SYSTEMS.get(/^"([^"]*)"$/.exec(platform ?? '')?.[1] ?? '');
  if (system !== undefined && os !== null) compared.push(system !== os);
  // A tablet is either, as it asks for the sites of desktops.
  if (form === 'desktop' && mobile !== null) compared.push(mobile === '?1');
  if (form === 'mobile' && mobile !== null) compared.push(mobile === '?0');
  return compared.length === 0 ? null : compared.includes(true);
}
