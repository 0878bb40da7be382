import { readDeviceHeader } from '../contract/device-header.ts';
import type { SessionClaim } from '../model/device-session.ts';
import { withoutPlaceholders } from '../model/placeholder.ts';
import type { SentPossession } from '../model/possession.ts';
import type { DeviceClaim } from '../model/request.ts';

/** What a client shows of its device by token, header and proof of possession, or null. A session says nothing without the token. */
export function deviceShown(
  token: string | null,
  header: string | null,
  keyProof: SentPossession | null,
  session: SessionClaim,
): DeviceClaim | null {
  if (token === null && header === null && keyProof === null) return null;
  const traits = header === null ? null : readDeviceHeader(header);
  return withoutPlaceholders({
    ...(traits ?? { fingerprint: null, confidence: null, bot: null, components: {} }),
    token,
    session,
    malformed: header !== null && traits === null,
    ...(keyProof !== null && { keyProof }),
  });
}
