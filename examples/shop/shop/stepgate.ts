import { getConnInfo } from '@hono/node-server/conninfo';
import type { StepgateClient } from '@stepgate/sdk';
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import { decodeJwt } from 'jose';
import type { DeviceLine } from './pages.ts';
import type { ShopEnv } from './session.ts';

/** Calls to Stepgate other than checks. */
export interface ShopStepgate {
  /** Reports a log-in, which teaches its place; the provider reports failed ones. */
  loggedIn(c: Context<ShopEnv>, subject: string): Promise<void>;
  devices(c: Context<ShopEnv>, subject: string): Promise<readonly DeviceLine[]>;
  removeDevice(subject: string, device: string): Promise<void>;
}

const DEVICE_COOKIE = '__Host-stepgate-device';

export function shopStepgate(client: StepgateClient): ShopStepgate {
  return {
    async loggedIn(c, subject) {
      try {
        await client.sendEvent({
          type: 'login.succeeded',
          subject,
          session: c.var.sessionId,
          user_agent: c.req.header('user-agent') ?? null,
          device: { token: getCookie(c, DEVICE_COOKIE) ?? null },
          // Stepgate walks the chain by its own TRUSTED_PROXIES.
          peer_ip: getConnInfo(c).remote.address ?? null,
          headers: { 'x-forwarded-for': c.req.header('x-forwarded-for') ?? '' },
        });
      } catch (error) {
        // Log-in continues while Stepgate is down: this log-in then teaches nothing, and later checks ask.
        console.error(error);
      }
    },

    async devices(c, subject) {
      const mine = deviceOf(getCookie(c, DEVICE_COOKIE));
      return (await client.devices.list(subject)).map((device) => ({
        id: device.id,
        client: device.client,
        trusted: device.trusted,
        trustedUntil: device.trusted_until,
        firstSeen: device.first_seen,
        lastSeen: device.last_seen,
        isThis: device.id === mine,
      }));
    },

    removeDevice: (subject, device) => client.devices.revoke(subject, device),
  };
}

/** Only to mark a line of a list, so the signature is not verified. */
function deviceOf(token: string | undefined): string | null {
  if (token === undefined) return null;
  try {
    const { device } = decodeJwt(token);
    return typeof device === 'string' ? device : null;
  } catch {
    return null;
  }
}
