/**
 * Where Cloudflare can be asked to keep a Durable Object: west and east of North America, South America, west and east of
 * Europe, Asia-Pacific, Oceania, Africa, the Middle East.
 *
 * @see https://developers.cloudflare.com/durable-objects/reference/data-location/
 */
export const POOL_LOCATIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type PoolLocation = (typeof POOL_LOCATIONS)[number];
