import * as z from 'zod';
import type { Address } from '../model/address.ts';
import { assertedPlace } from '../model/asserted-place.ts';
import type { GeoSource, Located, Place } from '../model/geo.ts';
import { parsePeer } from '../net/ip.ts';

/** What is read of `request.cf`. Numbers come as text; whatever is not as expected counts as not there. */
const cfProperties = z.object({
  latitude: z.string().optional().catch(undefined),
  longitude: z.string().optional().catch(undefined),
  country: z.string().optional().catch(undefined),
  region: z.string().optional().catch(undefined),
  city: z.string().optional().catch(undefined),
});

/** What a Worker is told of the connection behind a request. */
export interface EdgeConnection {
  /** `request.cf`; absent outside Cloudflare. */
  readonly cf: unknown;
  /** `CF-Connecting-IP`; null for a call over a service binding that does not hand it on. */
  readonly connectingIp: string | null;
  /** True where another Worker made the call over the internet (`CF-Worker`): `cf` then describes that one. */
  readonly byWorker: boolean;
}

/**
 * Places from `request.cf` of one request, which Cloudflare looked up for the connection's other end. They are those of the
 * client only where the Worker that was called is the gateway, so a setting has to say so. An address that is known not to be
 * the connection's own is left to `others`, and so is one of which `cf` says nothing.
 */
export function cfGeo(connection: EdgeConnection, others: GeoSource): GeoSource {
  const place = connection.byWorker ? null : placeOf(connection.cf);
  const own = connection.connectingIp === null ? null : parsePeer(connection.connectingIp);
  const isOwn = ({ kind, text }: Address): boolean =>
    kind === 'public' && (connection.connectingIp === null || own?.text === text);
  return {
    locate: (address) =>
      place !== null && isOwn(address) ? ({ known: true, place } satisfies Located) : others.locate(address),
    status: (nowMs) => {
      const { name, ...rest } = others.status(nowMs);
      return { ...rest, name: `cf, ${name}` };
    },
  };
}

function placeOf(cf: unknown): Place | null {
  const parsed = cfProperties.safeParse(cf);
  if (!parsed.success) return null;
  const { latitude, longitude, ...rest } = parsed.data;
  const place = assertedPlace({ ...rest, lat: latitude, lon: longitude });
  return place === null ? null : { ...place, source: 'cf' };
}
