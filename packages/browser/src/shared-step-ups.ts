import type { StepUpRequirement } from './challenge.ts';
import type { OnStepUp, StepUpOutcome } from './step-up.ts';

/** A pending request. */
export interface Visit {
  /**
   * Waits for a step-up that meets the requirement: one that ended since the request started, the current one, or a new one. Only a
   * step-up of its own meets `max_age=0`. False once the person declined any of these.
   */
  stepUp(requirement: StepUpRequirement): Promise<StepUpOutcome>;
  /** Call when the request is answered or aborted. */
  leave(): void;
}

interface StepUp {
  readonly requirement: StepUpRequirement;
  readonly outcome: Promise<StepUpOutcome>;
}

/** Step-ups of one page, shared by its requests: one at a time, and only if needed. */
export function sharedStepUps(onStepUp: OnStepUp): { enter(): Visit } {
  let visits = 0;
  let running: StepUp | null = null;
  /** Kept only while requests are pending, so that no token is kept longer. */
  let ended: StepUp[] = [];
  const waiting = new Set<StepUpRequirement>();

  const forget = (): void => {
    if (visits === 0 && running === null) ended = [];
  };

  const start = (first: StepUpRequirement): StepUp => {
    // A `max_age=0` request steps up by itself anyway, so it must not make this step-up harder.
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
            // A request that was aborted must not cause another prompt.
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

/** Only a token or `true` is a proof. */
function outcomeOf(outcome: StepUpOutcome): StepUpOutcome {
  return outcome === true || (typeof outcome === 'string' && outcome !== '') ? outcome : false;
}

/**
 * Whether the person has to log in now: the proof is then for one request, and the first request that carries it spends it
 * (OpenID Connect Core, section 3.1.2.1: `max_age=0` always asks).
 */
function isOfNow({ maxAge }: StepUpRequirement): boolean {
  return maxAge === 0;
}

/** Whether a step-up for `asked` also meets `needed`. */
function meets(asked: StepUpRequirement, needed: StepUpRequirement): boolean {
  const classes =
    needed.acrValues.length === 0 ||
    (asked.acrValues.length > 0 && asked.acrValues.every((acr) => needed.acrValues.includes(acr)));
  return classes && (asked.maxAge ?? Number.POSITIVE_INFINITY) <= (needed.maxAge ?? Number.POSITIVE_INFINITY);
}

/** One requirement that meets both; the first one alone if they have no assurance class in common. */
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
