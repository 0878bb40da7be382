import type { StepUpRequirement } from './challenge.ts';

/**
 * How a step-up ended: with the token that proves it, with `true` where cookies carry the proof or the session has it by now, or
 * with `false` where the person declined.
 */
export type StepUpOutcome = string | boolean;

/** Leads the person through a step-up. What it rejects with, every request that waits for it rejects with. */
export type OnStepUp = (requirement: StepUpRequirement) => Promise<StepUpOutcome>;
