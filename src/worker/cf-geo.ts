import * as z from 'zod';
import type { Address } from '../model/address.ts';
import { assertedPlace } from '../model/asserted-place.ts';
import type { GeoSource, Located, Place } from '../model/geo.ts';
import { parsePeer } from '../net/ip.ts';

/** The used part of `request.cf`. Numbers are strings; anything unexpected counts as absent. */
const cfProperties = z.object({
  latitude: z.string().optional().catch(undefined),
  longitude: z.string().optional().catch(undefined),
  country: z.string().optional().catch(undefined),
  region: z.string().optional().catch(undefined),
  city: z.string().optional().catch(undefined),
});

/** What a Worker knows about the connection behind a request. */
export interface EdgeConnection {
  /** `request.cf`; absent outside Cloudflare. */
  readonly cf: unknown;
  /** `CF-Connecting-IP`; null for a call over a service binding that does not hand it on. */
  readonly connectingIp: string | null;
  /** True if another Worker called over the internet (`CF-Worker`), so that `cf` describes that Worker. */
  readonly byWorker: boolean;
}

/**
 * Places from `request.cf`, which Cloudflare looked up for the connection's peer. They are the client's only if the
 * called Worker is the gateway, so a setting must enable this. `others` answers for any other address, and if `cf` has
 * no place.
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
