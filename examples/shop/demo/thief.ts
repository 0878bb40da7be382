import type { IncomingHttpHeaders } from 'node:http';
import { DEVICE_HEADER, deviceHeader } from '@stepgate/browser/device-header';
import { returnPath } from '../shop/return-path.ts';
import type { FrontOptions } from './front.ts';

const USER_AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0';
/** Device claim of another machine: the same components as yours with other hashes. */
const DEVICE = deviceHeader({
  fingerprint: '9e107d9d372bb6826bd81d3542a419d6',
  confidence: 0.6,
  components: Object.fromEntries(
    ['canvas', 'fonts', 'math', 'platform', 'screen', 'webgl', 'audio', 'locale'].map((name) => [name, 'beef']),
  ),
});

/**
 * Makes a tab of your own browser look like another machine, with another browser and fingerprint, that visits the shop under the
 * shop's own address.
 */
export function thiefDisguise(
  hosts: () => { readonly shop: string; readonly issuer: string },
): NonNullable<FrontOptions['disguise']> {
  return {
    headers(headers) {
      const { shop } = hosts();
      const worn: IncomingHttpHeaders = { ...headers, host: new URL(shop).host, 'user-agent': USER_AGENT };
      if (headers.origin !== undefined) worn.origin = shop;
      delete worn.referer;
      for (const name of Object.keys(headers)) if (name.startsWith('sec-ch-')) delete worn[name];
      const header = DEVICE_HEADER.toLowerCase();
      if (headers[header] !== undefined) worn[header] = DEVICE;
      return worn;
    },
    location(location) {
      const { shop, issuer } = hosts();
      // The real browser is logged in at the provider; a thief's is not.
      if (location.startsWith(issuer)) return '/demo/stuck';
      return location.startsWith(`${shop}/`) ? returnPath(location, shop) : location;
    },
  };
}
