import type { Engine } from './engine.ts';
import type { Located } from './geo/geo.ts';
import type { Address } from './net/address.ts';
import type { CheckRequest } from './request.ts';
import { clientTraits } from './signals/client.ts';
import type { Observation } from './signals/signal.ts';
import { subjectPseudonym } from './store/keys.ts';
import type { Outcome } from './store/store.ts';

/**
 * Works out all that can be known of a request without asking the store: place, standing, client, device token, and the
 * pseudonyms under which the store is then asked. Waits for no network, but where data lies beside the program and not yet in
 * its memory (Workers), and then for a bounded time.
 */
export async function observe(engine: Engine, request: CheckRequest, nowMs: number): Promise<Observation> {
  const { address, device } = request;
  const reputation = engine.reputation();
  // Begun first and together: where data has to be fetched, the rest is worked out meanwhile.
  const place = locate(engine, request.place, address);
  const standing = address === null ? null : reputation.standing(address, nowMs);
  const deviceToken =
    device?.token == null ? ({ state: 'absent' } as const) : await engine.deviceTokens.verify(device.token, nowMs);
  const fingerprint = device?.fingerprint == null ? null : engine.pseudonym('fingerprint', device.fingerprint);
  return {
    request,
    nowMs,
    located: await place,
    standing: await standing,
    client: request.userAgent === null ? null : clientTraits(request.userAgent),
    deviceToken,
    keys: {
      subject:
        request.subject === null
          ? null
          : subjectPseudonym(engine.pseudonym, {
              space: request.subjectSpace,
              type: request.subjectType,
              id: request.subject,
            }),
      address: address === null ? null : engine.pseudonym('address', address.counterKey),
      network: address === null ? null : engine.pseudonym('network', address.networkKey),
      session: request.session === null ? null : engine.pseudonym('session', request.session),
      fingerprint,
      components: pseudonymousComponents(engine, device?.components ?? {}),
      device: deviceToken.state === 'genuine' ? engine.pseudonym('device', deviceToken.device) : fingerprint,
    },
  };
}

/** The bad end of a request, as the store counts it. */
export function outcomeOf({ request, keys }: Observation, kind: Outcome['kind']): Outcome {
  const address = keys.address === null || keys.network === null ? null : { key: keys.address, network: keys.network };
  return { kind, atMs: request.occurredAtMs, subject: keys.subject, address };
}

function locate(engine: Engine, asserted: CheckRequest['place'], address: Address | null): Located | Promise<Located> {
  if (asserted !== null) return { known: true, place: asserted };
  return address === null ? { known: false, why: 'no_address' } : engine.geo.locate(address);
}

function pseudonymousComponents(
  engine: Engine,
  components: { readonly [name: string]: string },
): { readonly [name: string]: string } {
  const hashed: { [name: string]: string } = {};
  for (const name of Object.keys(components)) {
    const key = engine.pseudonym('component', name).slice(0, COMPONENT_HASH_LENGTH);
    hashed[key] = engine.pseudonym('component', `${name}=${components[name]}`).slice(0, COMPONENT_HASH_LENGTH);
  }
  return hashed;
}

/** 24 bits in base64url: enough to compare a device with itself, too little to recover what was hashed. */
const COMPONENT_HASH_LENGTH = 4;
