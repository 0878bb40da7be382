import { isLine, nestingOf, type RiskCheckBody } from '../contract/body.ts';
import {
  MAX_ACTION_LENGTH,
  MAX_ADDRESS_LENGTH,
  MAX_COMPONENT_LENGTH,
  MAX_COMPONENT_NAME_LENGTH,
  MAX_COMPONENTS,
  MAX_DEVICE_TOKEN_LENGTH,
  MAX_FREE_NESTING,
  MAX_LINE_LENGTH,
  MAX_SUBJECT_TYPE_LENGTH,
  MAX_TOKEN_LENGTH,
} from '../contract/limits.ts';
import type { JsonObject } from '../model/facts.ts';
import { normaliseSubject } from '../model/subject.ts';
import { parseAddress } from '../net/ip.ts';

type Device = NonNullable<RiskCheckBody['device']>;

/**
 * What the schema `riskCheckBody` makes of a body whose parts are all among the usual ones and as they should be, in a tenth of the
 * time; null for any other body, which says nothing about it. A test holds the two to one verdict.
 */
export function plainRiskCheck(body: JsonObject): RiskCheckBody | null {
  const plain: { -readonly [key in keyof RiskCheckBody]: RiskCheckBody[key] } = { action: '' };
  for (const key in body) {
    const value = body[key];
    switch (key) {
      case 'action':
        if (!isLine(value, MAX_ACTION_LENGTH)) return null;
        plain.action = value;
        break;
      case 'subject': {
        const subject = typeof value === 'string' ? normaliseSubject(value) : null;
        if (subject === null) return null;
        plain.subject = subject;
        break;
      }
      case 'subject_space':
        if (typeof value !== 'string') return null;
        plain.subject_space = value;
        break;
      case 'subject_type':
        if (!isLine(value, MAX_SUBJECT_TYPE_LENGTH)) return null;
        plain.subject_type = value;
        break;
      case 'ip': {
        const address = typeof value === 'string' && value.length <= MAX_ADDRESS_LENGTH ? parseAddress(value) : null;
        if (address === null) return null;
        plain.ip = address;
        break;
      }
      case 'session':
        if (!isLine(value, MAX_LINE_LENGTH)) return null;
        plain.session = value;
        break;
      case 'user_agent':
        if (typeof value !== 'string') return null;
        plain.user_agent = value;
        break;
      case 'device': {
        const device = isMap(value) ? plainDevice(value) : null;
        if (device === null) return null;
        plain.device = device;
        break;
      }
      case 'step_up_token':
        if (!isText(value, MAX_TOKEN_LENGTH)) return null;
        plain.step_up_token = value;
        break;
      case 'context':
      case 'subject_properties':
        if (!isMap(value) || nestingOf(value) > MAX_FREE_NESTING) return null;
        plain[key] = value;
        break;
      case 'dry_run':
        if (typeof value !== 'boolean') return null;
        plain.dry_run = value;
        break;
      default:
        return null;
    }
  }
  return plain.action === '' ? null : plain;
}

function plainDevice(claim: JsonObject): Device | null {
  const plain: { -readonly [key in keyof Device]: Device[key] } = {};
  for (const key in claim) {
    const value = claim[key];
    switch (key) {
      case 'fingerprint':
        if (value !== '' && !isLine(value, MAX_LINE_LENGTH)) return null;
        plain.fingerprint = value;
        break;
      case 'token':
        if (!isText(value, MAX_DEVICE_TOKEN_LENGTH)) return null;
        plain.token = value;
        break;
      case 'confidence':
        if (typeof value !== 'number' || !(value >= 0 && value <= 1)) return null;
        plain.confidence = value;
        break;
      case 'bot':
        if (typeof value !== 'boolean') return null;
        plain.bot = value;
        break;
      case 'components':
        if (!isMap(value) || !areComponents(value)) return null;
        plain.components = value;
        break;
      default:
        return null;
    }
  }
  return plain;
}

function areComponents(value: JsonObject): value is { readonly [name: string]: string } {
  let count = 0;
  for (const name in value) {
    const component = value[name];
    count += 1;
    if (count > MAX_COMPONENTS || name === '' || name.length > MAX_COMPONENT_NAME_LENGTH) return false;
    if (typeof component !== 'string' || component.length > MAX_COMPONENT_LENGTH) return false;
  }
  return true;
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= max;
}

function isMap(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
