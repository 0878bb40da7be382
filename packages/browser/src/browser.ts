/** What `@stepgate/browser` offers. Nothing here touches the page before it is called. */
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
export type { OnStepUp, StepUpOutcome } from './step-up.ts';
export { type Fetch, type StepUpFetchOptions, stepUpFetch } from './step-up-fetch.ts';
