/** Epoch seconds. */
type Seconds = number;

/**
 * The generations of one device's token as the record of its subject has them. A browser keeps one token; each visit replaces it
 * by the next generation, so that two holders of one token cannot both keep up.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14 rotation of refresh tokens, of which this is a form
 */
export interface Generations {
  /** Newest that was handed out; 0 before the first. */
  readonly current: number;
  /** The one that was shown when `current` was handed out: what a client holds that has lost the answer. */
  readonly parent: number;
  /** When `current` was handed out; 0 if that is unknown. */
  readonly at: Seconds;
  /** Whether `current` has been shown. Then nobody honest holds an older one for longer than {@link GRACE_S}. */
  readonly seen: boolean;
}

/** Of a device that was handed no generation. A token of an earlier version counts as generation 0. */
export const NO_GENERATIONS: Generations = { current: 0, parent: 0, at: 0, seen: true };

/**
 * How long after a generation was handed out the one before it still counts, in seconds: requests that were under way, and other
 * tabs. A write that follows an answer, the answer, and a request with the older token may take a third of it each.
 */
export const GRACE_S = 300;

/** A use this long after a generation was handed out begins another visit, in seconds; more than twice {@link GRACE_S}. */
export const VISIT_S = 1800;

/** What a generation that is shown means. */
export interface GenerationUse {
  /** A later one has been shown, or this one was given up as lost: the token has two holders. */
  readonly reused: boolean;
  /** The generation to hand out with an answer that lets the request through; null for none. */
  readonly next: number | null;
}

const KEEPS: GenerationUse = { reused: false, next: null };

/** What it means that generation `shown` is shown at `now`. */
export function useOf({ current, parent, at, seen }: Generations, shown: number, now: Seconds): GenerationUse {
  const age = now - at;
  // Beyond what is on record: the answer went out and could not be written down. Only this service signs.
  if (shown > current) return KEEPS;
  if (shown === current) return { reused: false, next: age >= VISIT_S ? current + 1 : null };
  if (shown >= parent && age <= GRACE_S) return KEEPS;
  // The answer was lost, so that nobody holds `current`: whoever shows it yet has another copy.
  return shown === parent && !seen ? { reused: false, next: current + 1 } : { reused: true, next: null };
}

/**
 * The generation of the token that a proof renews while its trust is live: that of a new visit, or the current one again, unless
 * the answer could overtake that of the next visit. Null for none: the trust is renewed all the same.
 */
export function renewedGeneration(generations: Generations, shown: number, now: Seconds): number | null {
  const { reused, next } = useOf(generations, shown, now);
  const isEarly = now - generations.at < VISIT_S - GRACE_S;
  return next ?? (!reused && shown === generations.current && isEarly ? shown : null);
}

/**
 * The generation of a token by which trust begins, `shown` being that of a token whose trust has ended, or null. The current one
 * again while it has just been handed out, since a page sends several requests with one proof.
 */
export function firstGeneration({ current, at }: Generations, shown: number | null, now: Seconds): number {
  return current > 0 && now - at <= GRACE_S ? current : Math.max(current, shown ?? 0) + 1;
}

/**
 * The generations after `shown` was shown (null: none that counts) and `handed` handed out with the answer (null: none). The same
 * object when nothing changes. Not for a use that is `reused`. Writers that read the same record hand out the same generation, so
 * their order does not matter.
 */
export function afterUse(before: Generations, shown: number | null, handed: number | null, now: Seconds): Generations {
  const { current, parent, seen } = before;
  if (handed !== null && handed > current && handed !== shown) {
    return { current: handed, parent: shown ?? current, at: now, seen: false };
  }
  if (shown !== null && shown > current) {
    return { current: shown, parent: seen ? current : parent, at: now, seen: true };
  }
  return shown === current && !seen ? { ...before, seen: true } : before;
}
