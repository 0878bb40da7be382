import { type Service, startService } from '../servers/program.ts';
import { post } from '../servers/stepgate.ts';

/** So little memory that what a flood of strangers leaves behind would soon end the process, in MiB. */
export const HEAP_MIB = 64;
/** Checks of a flood: more than the embedded store has room for. */
export const FLOOD = 3000;

/** A subject that the service knows, on a device that it trusts. */
export interface Known {
  readonly subject: string;
  readonly ip: string;
  readonly device: { readonly fingerprint: string; readonly token: string };
}

/** The service with the embedded store and the default rules. */
export function startSmallService(environment: NodeJS.ProcessEnv): Promise<Service> {
  return startService({ ...environment, RULES_DIR: 'rules', GEO_DATA: 'none' }, [`--max-old-space-size=${HEAP_MIB}`]);
}

/** Makes so many subjects known by reporting a step-up of each. */
export async function introduce(url: string, count: number): Promise<readonly Known[]> {
  const known: Known[] = [];
  for (let n = 0; n < count; n += 1) {
    const one = { subject: `known-${n}`, ip: '89.98.229.250', device: { fingerprint: `of known-${n}` } };
    const event = { type: 'step_up.succeeded', trust_device: true, ...one };
    const { status, text } = await post(`${url}/v1/events`, JSON.stringify(event));
    if (status !== 202) throw new Error(`an event was answered ${status}: ${text}`);
    known.push({ ...one, device: { ...one.device, token: JSON.parse(text).device.token } });
  }
  return known;
}

/** The body of the `n`th check of a flood: nobody and nothing in it was ever seen before. */
export function stranger(n: number): { readonly subject: string } {
  const body = {
    subject: `stranger-${n}`,
    action: 'login',
    ip: `45.${(n >> 14) & 255}.${(n >> 6) & 255}.${n & 63}`,
    session: `session-${n}`,
    device: { fingerprint: `of stranger-${n}` },
  };
  return body;
}
