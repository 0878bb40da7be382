import { type Baseline, hasLiveTrust, type KnownDevice } from '../model/baseline.ts';
import { holderOf, type TokenHolder } from '../model/device-token.ts';
import { type GenerationUse, GRACE_S, useOf } from '../model/generations.ts';
import type { Observation } from '../signals/signal.ts';

/** The use of a device token whose trust is live, whatever traits come with it. */
export interface TokenUse extends GenerationUse {
  readonly device: KnownDevice;
  readonly holder: TokenHolder;
}

/**
 * What the generation of the device token in a request means. Null without a live token of this subject. What the subject did not
 * send itself just now (somebody acts for it, or the check is about the past) may come with an old token: it shows nothing.
 */
export function tokenUse(
  { deviceToken, keys, nowMs, request }: Observation,
  baseline: Baseline | null,
): TokenUse | null {
  if (deviceToken.state !== 'genuine' || baseline === null) return null;
  const now = Math.floor(nowMs / 1000);
  const device = baseline.devices.find(({ id }) => id === deviceToken.device);
  const holder = holderOf(deviceToken, keys.subject, now);
  if (device === undefined || holder === null || !hasLiveTrust(device, nowMs / 1000)) return null;
  if (holder.issuedAt < Math.max(baseline.trustNotBefore, device.revokedAt ?? 0)) return null;
  const isPresent = request.actor === null && Math.abs(nowMs - request.occurredAtMs) <= GRACE_S * 1000;
  const use = isPresent ? useOf(device.generations, holder.generation, now) : { reused: false, next: null };
  return { device, holder, ...use };
}
