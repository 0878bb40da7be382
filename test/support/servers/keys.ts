import { createHash } from 'node:crypto';
import type { Right } from '../../../src/model/api-keys.ts';

/** `API_KEYS` with one caller that may do all of it, or what is named. */
export function keysWith(name: string, secret: string, rights: readonly Right[] = ['admin']): string {
  const sha256 = createHash('sha256').update(secret).digest('hex');
  return JSON.stringify({ version: 1, keys: [{ name, sha256, rights }] });
}
