import { warnOfStaleList } from '../app/assembly.ts';
import type { Settings } from '../app/settings.ts';
import { noGeo } from '../data/geo/no-geo.ts';
import { NO_REPUTATION } from '../data/lists/standing.ts';
import type { ReadFile } from '../data/manifest.ts';
import type { GeoSource } from '../model/geo.ts';
import type { Reputation } from '../model/reputation.ts';
import type { Log } from '../records/log.ts';
import { fetchedLists, listMemory } from './fetched-lists.ts';
import { fetchedPlaces, placeMemory } from './fetched-places.ts';

/** The part of the assets binding that is used. */
export interface Assets {
  fetch(url: string): Promise<Response>;
}

/** What one request knows of addresses. */
export interface EdgeData {
  readonly geo: GeoSource;
  readonly reputation: Reputation;
}

/**
 * How each request reads geo data and lists. What was read is kept for all requests of the isolate, but what is being read belongs to
 * the request that began it: `keepAlive` lets that end even when the answer has left.
 */
export function edgeData(
  {
    geoData,
    geoMaxAgeDays,
    assetsTimeoutMs: timeoutMs,
  }: Pick<Settings, 'geoData' | 'geoMaxAgeDays' | 'assetsTimeoutMs'>,
  assets: Assets | null,
  { log, now }: { readonly log: Log; readonly now: () => number },
): (keepAlive: (work: Promise<unknown>) => void) => EdgeData {
  if (assets === null) {
    log.warn('ASSETS is not bound: places and address lists are unavailable');
    return () => ({ geo: noGeo(), reputation: NO_REPUTATION });
  }
  const places = placeMemory();
  const lists = listMemory();
  return (keepAlive) => {
    const reputation = fetchedLists({
      memory: lists,
      read: readerOf(assets, 'ip'),
      now,
      timeoutMs,
      keepAlive,
      onProblem: (problem) => log.error('address lists', { problem }),
      onStale: (list) => warnOfStaleList(log, list),
    });
    reputation.warm();
    if (geoData === 'none') return { geo: noGeo(), reputation };
    const geo = fetchedPlaces({
      memory: places,
      read: readerOf(assets, 'geo'),
      level: geoData,
      maxAgeDays: geoMaxAgeDays,
      timeoutMs,
      keepAlive,
      onProblem: (problem) => log.error('geo data', { problem }),
    });
    return { geo, reputation };
  };
}

/** Reads files of one folder of the assets; the host of the URL does not matter. */
export function readerOf(assets: Assets, folder: string): ReadFile {
  return async (name) => {
    const response = await assets.fetch(`https://assets/${folder}/${name}`);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    await response.body?.cancel();
    if (response.status === 404) return null;
    throw new Error(`the assets answered ${response.status}`);
  };
}
