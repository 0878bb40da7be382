import { readDeviceHeader } from '../contract/device-header.ts';
import { withoutPlaceholders } from '../model/placeholder.ts';
import type { DeviceClaim } from '../model/request.ts';

/** What a client shows of its device by token and header, or null. */
export function deviceShown(token: string | null, header: string | null): DeviceClaim | null {
  if (token === null && header === null) return null;
  const traits = header === null ? null : readDeviceHeader(header);
  return withoutPlaceholders({
    ...(traits ?? { fingerprint: null, confidence: null, bot: null, components: {} }),
    token,
    malformed: header !== null && traits === null,
  });
}
