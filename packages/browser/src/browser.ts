/** Exports of `@stepgate/browser`. Importing it does not touch the page. */
export { type StepUpRequirement, stepUpChallenge, stepUpOf } from './challenge.ts';
export {
  type AbsentDevice,
  type CollectedDevice,
  type CollectOptions,
  collectDevice,
  type DetectBot,
  type DeviceAbsence,
  type DeviceReport,
} from './collect.ts';
export { DEVICE_HEADER, type DeviceTraits, deviceHeader } from './device-header.ts';
export { DEVICE_PROOF_HEADER, type DeviceProver, deviceProver } from './device-key.ts';
export type { OnStepUp, StepUpOutcome } from './step-up.ts';
export { type Fetch, type StepUpFetchOptions, stepUpFetch } from './step-up-fetch.ts';
