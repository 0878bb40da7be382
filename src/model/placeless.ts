import { PLACELESS_CATEGORIES, type Standing } from './reputation.ts';
import type { CheckRequest } from './request.ts';

/**
 * Networks of satellite and in-flight operators: an address of theirs is registered at a ground station or an office,
 * whole countries away from the person. SpaceX, Viasat, Hughes, Intelsat, Gogo, SES and O3b, Skylogic.
 */
const SATELLITE_ASNS: ReadonlySet<number> = new Set([
  14593, 27277, 7155, 13955, 40306, 6621, 22351, 63062, 12684, 60725, 29286,
]);

/**
 * Why the place of this request's address is not the place of the person; null when it may be. Such an address takes no
 * part in travel and teaches no place, country or network.
 */
export function whyPlaceless({
  request,
  standing,
}: {
  readonly request: Pick<CheckRequest, 'address'>;
  readonly standing: Standing | null;
}): 'placeless' | 'satellite' | null {
  const { address } = request;
  if (address === null) return null;
  if (address.kind !== 'public') return 'placeless';
  if (standing === null) return null;
  // It may be anybody's exit, so it teaches nothing.
  if (standing.why !== undefined || standing.stale?.holds === true) return 'placeless';
  if (standing.categories?.some((category) => PLACELESS_CATEGORIES.includes(category))) return 'placeless';
  return standing.asn !== null && SATELLITE_ASNS.has(standing.asn) ? 'satellite' : null;
}
