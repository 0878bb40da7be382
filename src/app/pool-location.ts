/**
 * Regions in which Cloudflare can place a Durable Object: western and eastern North America, South America, western and
 * eastern Europe, Asia-Pacific, Oceania, Africa, the Middle East.
 *
 * @see https://developers.cloudflare.com/durable-objects/reference/data-location/
 */
export const POOL_LOCATIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type PoolLocation = (typeof POOL_LOCATIONS)[number];
