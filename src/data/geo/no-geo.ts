import { type LocalGeoSource, whyUnlocatable } from '../../model/geo.ts';

/** For a service without geo data: every public address is unknown as `source_off`. */
export function noGeo(): LocalGeoSource {
  return {
    locate: (address) => ({ known: false, why: whyUnlocatable(address) ?? 'source_off' }),
    status: () => ({ name: 'none', ageDays: null, problem: null }),
  };
}
