import type { Located } from '../../../src/model/geo.ts';
import { parseAddress } from '../../../src/net/ip.ts';
import { type Assets, readerOf } from '../../../src/worker/assets.ts';
import { fetchedLists, listMemory } from '../../../src/worker/fetched-lists.ts';
import { fetchedPlaces, placeMemory } from '../../../src/worker/fetched-places.ts';

/**
 * A Worker around the readers alone, so that tests see what the whole Worker hides: many look-ups in one request, the memory of the
 * isolate, and assets as slow as the query `slow_ms` says.
 */
const shards = placeMemory();
const lists = listMemory();

interface Context {
  waitUntil(work: Promise<unknown>): void;
}

export default {
  async fetch(request: Request, { ASSETS }: { readonly ASSETS: Assets }, context: Context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const slowMs = Number(searchParams.get('slow_ms') ?? 0);
    const slowly =
      (folder: string) =>
      async (name: string): Promise<Uint8Array | null> => {
        if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
        return readerOf(ASSETS, folder)(name);
      };
    const geo = fetchedPlaces({
      memory: shards,
      read: slowly('geo'),
      timeoutMs: Number(searchParams.get('timeout_ms') ?? 10_000),
      keepAlive: (rest) => context.waitUntil(rest),
    });
    const texts: string[] = await request.json();
    if (pathname === '/standing') {
      const reputation = fetchedLists({
        memory: lists,
        read: slowly('ip'),
        now: () => Date.now(),
        timeoutMs: 10_000,
        keepAlive: (reading) => context.waitUntil(reading),
      });
      const address = parseAddress(texts[0] ?? '');
      return Response.json(address === null ? null : await reputation.standing(address, Date.now()));
    }
    const places: (Located | null)[] = [];
    const rounds = Number(searchParams.get('rounds') ?? 1);
    const addresses = texts.map(parseAddress);
    for (let round = 0; round < rounds; round++) {
      for (const [index, address] of addresses.entries()) {
        const located = address === null ? null : geo.locate(address);
        places[index] = located instanceof Promise ? await located : located;
      }
    }
    return Response.json({ places, bytes: shards.shards.calculatedSize, shards: shards.shards.size });
  },
};
