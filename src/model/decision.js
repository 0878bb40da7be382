/** From mildest to strictest. */
export const DECISIONS = ['allow', 'step-up', 'deny'];
/** The stricter of two decisions. */
export function stricter(a, b) {
  return DECISIONS.indexOf(a) >= DECISIONS.indexOf(b) ? a : b;
}
/** Greatest age of an authentication where no rule says otherwise, in seconds (Descope's `su` lives ten minutes). */
export const DEFAULT_MAX_AGE_SECONDS = 600;
/** What a step-up has to prove where no rule says more: that it is fresh. Never needs the store. */
export const DEFAULT_REQUIREMENT = Object.freeze({
  acrValues: [],
  amrValues: [],
  maxAgeSeconds: DEFAULT_MAX_AGE_SECONDS,
  singleUse: false,
  unsatisfiable: false,
});
