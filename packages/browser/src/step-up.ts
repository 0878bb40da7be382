import type { StepUpRequirement } from './challenge.ts';

/**
 * How a step-up ended: with the token that proves it, with `true` if a cookie or the session carries the proof, or with `false` if
 * the person declined.
 */
export type StepUpOutcome = string | boolean;

/** Takes the person through a step-up. If it rejects, every request that waits for it rejects the same way. */
export type OnStepUp = (requirement: StepUpRequirement) => Promise<StepUpOutcome>;
