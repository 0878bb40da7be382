import type { StepUpRequirement } from './challenge.ts';
import type { OnStepUp, StepUpOutcome } from './step-up.ts';

/** A request under way. */
export interface Visit {
  /**
   * Waits for a step-up that meets the requirement: one that ended since the request left, the one that runs, or a new one. A
   * requirement of `max_age=0` is met by a step-up of its own alone. False once the person declined any of these.
   */
  stepUp(requirement: StepUpRequirement): Promise<StepUpOutcome>;
  /** The request is answered or given up. */
  leave(): void;
}

interface StepUp {
  readonly requirement: StepUpRequirement;
  readonly outcome: Promise<StepUpOutcome>;
}

/** Step-ups of one page, shared by the requests that ask for them: one at a time, and none that is not needed. */
export function sharedStepUps(onStepUp: OnStepUp): { enter(): Visit } {
  let visits = 0;
  let running: StepUp | null = null;
  /** Of the requests under way only, so that no token is kept longer. */
  let ended: StepUp[] = [];
  const waiting = new Set<StepUpRequirement>();

  const forget = (): void => {
    if (visits === 0 && running === null) ended = [];
  };

  const start = (first: StepUpRequirement): StepUp => {
    // What another request will ask for by itself in any case must not make this step-up a harder one.
    const requirement = [...waiting].filter((other) => !isOfNow(other)).reduce(combined, first);
    const outcome = Promise.resolve()
      .then(() => onStepUp(requirement))
      .then(outcomeOf);
    const stepUp: StepUp = { requirement, outcome };
    running = stepUp;
    const end = (): void => {
      ended.push(stepUp);
      running = null;
      forget();
    };
    outcome.then(end, end);
    return stepUp;
  };

  return {
    enter() {
      const since = ended.length;
      let isUnderWay = true;
      visits += 1;
      return {
        async stepUp(requirement) {
          waiting.add(requirement);
          try {
            // One that gave up must not have the person asked for it.
            for (let next = since; isUnderWay; next += 1) {
              const others = ended[next] ?? running;
              const current = others ?? start(requirement);
              const outcome = await current.outcome;
              const isEnough = others === null || (!isOfNow(requirement) && meets(current.requirement, requirement));
              if (outcome === false || isEnough) return outcome;
            }
            return false;
          } finally {
            waiting.delete(requirement);
          }
        },
        leave() {
          isUnderWay = false;
          visits -= 1;
          forget();
        },
      };
    },
  };
}

/** Anything else than a token or `true` is no proof. */
function outcomeOf(outcome: StepUpOutcome): StepUpOutcome {
  return outcome === true || (typeof outcome === 'string' && outcome !== '') ? outcome : false;
}

/**
 * Whether the person has to log in now: the proof is for one request, and the request that brings it first spends it
 * (OpenID Connect Core, section 3.1.2.1, has `max_age=0` ask in any case).
 */
function isOfNow({ maxAge }: StepUpRequirement): boolean {
  return maxAge === 0;
}

/** Whether a step-up for `asked` is one for `needed` as well. */
function meets(asked: StepUpRequirement, needed: StepUpRequirement): boolean {
  const classes =
    needed.acrValues.length === 0 ||
    (asked.acrValues.length > 0 && asked.acrValues.every((acr) => needed.acrValues.includes(acr)));
  return classes && (asked.maxAge ?? Number.POSITIVE_INFINITY) <= (needed.maxAge ?? Number.POSITIVE_INFINITY);
}

/** One requirement that meets both; the first alone where no class of assurance would do for both. */
function combined(first: StepUpRequirement, other: StepUpRequirement): StepUpRequirement {
  const common = first.acrValues.filter((acr) => other.acrValues.includes(acr));
  const isEither = first.acrValues.length === 0 || other.acrValues.length === 0;
  if (!isEither && common.length === 0) return first;
  const ages = [first.maxAge, other.maxAge].filter((age) => age !== null);
  return {
    acrValues: isEither ? [...first.acrValues, ...other.acrValues] : common,
    maxAge: ages.length === 0 ? null : Math.min(...ages),
    reason: first.reason,
  };
}
