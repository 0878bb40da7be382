import type { ProvenKey } from '../model/device-key.ts';
import type { DeviceTokenVerdict } from '../model/device-token.ts';
import { type Located, whyUnlocatable } from '../model/geo.ts';
import { CANVAS_CONSTANTS } from '../model/placeholder.ts';
import { whyPlaceless } from '../model/placeless.ts';
import {
  endsInPath,
  judgePossession,
  type PossessionVerdict,
  pathOf,
  type SentPossession,
  tokenHash,
} from '../model/possession.ts';
import type { CheckRequest, DeviceClaim } from '../model/request.ts';
import { type Nobodys, whyNobodys } from '../net/ip.ts';
import { clientTraits } from '../signals/client.ts';
import { readHints } from '../signals/client-hints.ts';
import type { Observation } from '../signals/signal.ts';
import { subjectPseudonym } from '../store/keys.ts';
import type { Outcome } from '../store/store.ts';
import type { Engine } from './engine.ts';

/**
 * Derives everything about a request that does not need the store: place, standing, client, device token, and the
 * pseudonyms for the store. Waits for no network, except for data that is not in memory yet (Workers), and then for a
 * bounded time. An address that identifies no client is not located, looked up or counted.
 */
export async function observe(engine: Engine, request: CheckRequest, nowMs: number): Promise<Observation> {
  const { device } = request;
  const nobodys = request.address === null ? null : whyNobodys(request.address);
  const address = nobodys === null ? request.address : null;
  const reputation = engine.reputation();
  // Started first and together, so that the rest is computed while data is fetched.
  const place = locate(engine, request, nobodys);
  const standingSought = address === null ? null : reputation.standing(address, nowMs);
  const deviceToken =
    device?.token == null ? ({ state: 'absent' } as const) : await engine.deviceTokens.verify(device.token, nowMs);
  const boundKey = boundKeyOf(engine, device, deviceToken, nowMs);
  const keyProof = device?.keyProof === undefined ? null : await judgedKeyProof(engine, device, device.keyProof, nowMs);
  const fingerprint = device?.fingerprint == null ? null : engine.pseudonym('fingerprint', device.fingerprint);
  const located = await place;
  const standing = await standingSought;
  return {
    request,
    nowMs,
    nobodys,
    located,
    standing,
    placeless: whyPlaceless({ request, standing }),
    client: request.userAgent === null ? null : clientTraits(request.userAgent),
    hints: request.clientHints === undefined ? null : readHints(request.clientHints, request.userAgent),
    deviceToken,
    keyProof,
    provenKeys: [
      ...(keyProof?.valid === true ? [{ kind: 'page', thumbprint: keyProof.claims.thumbprint } as const] : []),
      ...(boundKey === null ? [] : [boundKey]),
    ],
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
      asn: standing?.asn == null ? null : engine.pseudonym('component', `asn=${standing.asn}`),
      session: request.session === null ? null : engine.pseudonym('session', request.session),
      fingerprint,
      components: pseudonymousComponents(engine, device?.components ?? {}),
      constants: device?.components.canvas === undefined ? CONSTANTS.map((pair) => componentHash(engine, pair)) : [],
      shared: deviceToken.state === 'genuine' ? SHARED_GROUPS.map((name) => componentHash(engine, name)) : [],
      device: deviceToken.state === 'genuine' ? engine.pseudonym('device', deviceToken.device) : fingerprint,
    },
  };
}

/** The key that a bound cookie proves for the device of the token beside it. An HMAC: the signature was verified when it was given. */
function boundKeyOf(
  { deviceSessions }: Engine,
  device: CheckRequest['device'],
  deviceToken: DeviceTokenVerdict,
  nowMs: number,
): ProvenKey | null {
  const cookie = device?.session?.cookie ?? null;
  if (cookie === null || deviceToken.state !== 'genuine') return null;
  const shown = deviceSessions.readBound(cookie, nowMs);
  return shown?.device === deviceToken.device ? { kind: 'dbsc', thumbprint: shown.thumbprint } : null;
}

/**
 * The page's proof, for this method and path. Its host is not compared: a browser keeps the key to one origin, and gateways cannot
 * always know by which name they were asked.
 */
async function judgedKeyProof(
  { possession }: Engine,
  { token }: DeviceClaim,
  { jws, method, target }: SentPossession,
  nowMs: number,
): Promise<PossessionVerdict> {
  const path = target === null ? null : pathOf(target);
  const isUrl = ({ pathname }: URL): boolean => path !== null && endsInPath(pathname, path);
  const judged = judgePossession(await possession.verify(jws, 'device'), method, isUrl, nowMs);
  // The page cannot read a device token in an HttpOnly cookie, so its proof may be silent about it.
  if (!judged.valid || judged.claims.ath === null) return judged;
  return token !== null && judged.claims.ath === (await tokenHash(token)) ? judged : { valid: false, why: 'token' };
}

/** The bad end of a request, as the store counts it. */
export function outcomeOf({ request, keys }: Observation, kind: Outcome['kind']): Outcome {
  return { kind, atMs: request.occurredAtMs, keys };
}

/** If the address identifies no client, a place that the caller looked up by it means nothing. */
function locate(engine: Engine, { address, place }: CheckRequest, nobodys: Nobodys | null): Located | Promise<Located> {
  if (address !== null && nobodys !== null) {
    return { known: false, why: whyUnlocatable(address) ?? 'no_address' };
  }
  if (place !== null) return { known: true, place };
  return address === null ? { known: false, why: 'no_address' } : engine.geo.locate(address);
}

function pseudonymousComponents(
  engine: Engine,
  components: { readonly [name: string]: string },
): { readonly [name: string]: string } {
  const hashed: { [name: string]: string } = {};
  for (const name of Object.keys(components)) {
    hashed[componentHash(engine, name)] = componentHash(engine, `${name}=${components[name]}`);
  }
  return hashed;
}

function componentHash(engine: Engine, text: string): string {
  return engine.pseudonym('component', text).slice(0, COMPONENT_HASH_LENGTH);
}

/** As the collector of `@stepgate/browser` sent them before it left them out. */
const CONSTANTS: readonly string[] = CANVAS_CONSTANTS.map((digest) => `canvas=${digest.slice(0, 4)}`);

/**
 * Groups of this collector that follow from browser, system, versions and country, which a thief with the same browser
 * shares. They can show that a machine is another one, never that it is the same.
 */
const SHARED_GROUPS: readonly string[] = ['audio', 'browser', 'fonts', 'locale'];

/** 24 bits in base64url: enough to compare a device with itself, too little to recover what was hashed. */
const COMPONENT_HASH_LENGTH = 4;
