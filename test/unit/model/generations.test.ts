import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterUse,
  firstGeneration,
  type Generations,
  GRACE_S,
  NO_GENERATIONS,
  renewedGeneration,
  useOf,
  VISIT_S,
} from '../../../src/model/generations.ts';

/** Longest that a request, an answer and a write may each be under way, in seconds. */
const MOST_DELAY_S = GRACE_S / 3;

const delay = fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, fc.nat(MOST_DELAY_S));

/** One request of a browser, in seconds. */
const request = fc.record({
  /** After the request before it was sent. */
  pause: fc.oneof(
    { weight: 5, arbitrary: fc.nat(3) },
    { weight: 3, arbitrary: fc.nat(2 * GRACE_S) },
    { weight: 3, arbitrary: fc.integer({ min: VISIT_S - 2, max: VISIT_S + 2 }) },
    fc.nat(5 * 86_400),
  ),
  sending: delay,
  answering: delay,
  writing: delay,
  /** Sent again by something on the way, with the same token. */
  again: fc.option(delay, { nil: null }),
  answerIsLost: fc.oneof(fc.constant(false), fc.boolean()),
  writeIsLost: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
  allowed: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()),
  /** Comes with a proof that earns trust. */
  proven: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
});

interface Service {
  record: Generations;
  reused: boolean;
}

const BEGUN: Generations = { current: 1, parent: 1, at: 0, seen: true };

/** Judges at once and writes when the returned function runs, as learning follows the answer. */
function serve(
  service: Service,
  shown: number,
  now: number,
  { allowed, proven }: { readonly allowed: boolean; readonly proven: boolean },
): { readonly handed: number | null; readonly write: () => void } {
  const read = service.record;
  const use = useOf(read, shown, now);
  if (use.reused) service.reused = true;
  const next = proven ? renewedGeneration(read, shown, now) : use.next;
  const handed = use.reused || !allowed ? null : next;
  return {
    handed,
    write: () => {
      if (service.reused) return;
      if (useOf(service.record, shown, now).reused) {
        service.reused = true;
        return;
      }
      service.record = afterUse(service.record, shown, handed, now);
    },
  };
}

describe('generations', () => {
  it('Generations never name a browser alone a second holder, however its requests, answers and writes overlap, get lost and are sent again', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
        const service: Service = { record: BEGUN, reused: false };
        let jar = 1;
        const events: { at: number; order: number; run: () => void }[] = [];
        let order = 0;
        const plan = (at: number, run: () => void): void => {
          events.push({ at, order: order++, run });
          events.sort((a, b) => a.at - b.at || a.order - b.order);
        };
        let sentAt = 10 * VISIT_S;
        for (const one of requests) {
          sentAt += one.pause;
          plan(sentAt, () => {
            const now = events[0]?.at ?? 0;
            const shown = jar;
            const arrivals = [one.sending, ...(one.again === null ? [] : [one.again])].map((after) => now + after);
            for (const arrival of arrivals) {
              plan(arrival, () => {
                const { handed, write } = serve(service, shown, arrival, one);
                if (!one.writeIsLost) plan(arrival + one.writing, write);
                if (handed !== null && !one.answerIsLost) {
                  plan(arrival + one.answering, () => {
                    jar = handed;
                  });
                }
              });
            }
          });
        }
        for (let event = events[0]; event !== undefined; event = events[0]) {
          event.run();
          events.splice(events.indexOf(event), 1);
        }
        expect(service.reused).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('Generations show two holders by the next use of the one who was there first, in any order and after any pauses beyond the grace', () => {
    const pause = fc.oneof(
      fc.integer({ min: GRACE_S + 1, max: VISIT_S }),
      fc.integer({ min: VISIT_S, max: 90 * 86_400 }),
    );
    const uses = fc.array(fc.record({ thief: fc.boolean(), pause, proven: fc.boolean() }), { maxLength: 30 });
    const start = fc.record({
      current: fc.constant(7),
      parent: fc.constantFrom(6, 7),
      at: fc.constant(0),
      seen: fc.constant(true),
    });
    fc.assert(
      fc.property(start, uses, (record, sequence) => {
        const service: Service = { record, reused: false };
        const jars = { thief: 7, victim: 7 };
        let now = 0;
        let shownSince = 0;
        /** Who was handed a generation first, and whether the other one has been there since, and the first again before that. */
        let first: 'thief' | 'victim' | null = null;
        let otherCame = false;
        let firstCameAgain = false;
        for (const { thief, pause: seconds, proven } of sequence) {
          now += seconds;
          const who = thief ? 'thief' : 'victim';
          const isDue = first !== null && (who === first ? otherCame : firstCameAgain);
          // Only the victim can prove anything.
          const { handed, write } = serve(service, jars[who], now, { allowed: true, proven: proven && !thief });
          write();
          if (isDue) {
            expect(service.reused).toBe(true);
            return;
          }
          if (service.reused) return;
          if (first === null && handed !== null && handed !== jars[who]) first = who;
          else if (who === first) firstCameAgain = true;
          else if (first !== null) otherCame = true;
          if (handed !== null) jars[who] = handed;
          shownSince++;
        }
        expect(shownSince).toBe(sequence.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('Generations that two holders are handed at the same moment part at the next visit', () => {
    const service: Service = { record: { ...BEGUN, current: 4, parent: 3 }, reused: false };
    const plain = { allowed: true, proven: false };
    const both = [serve(service, 4, VISIT_S, plain), serve(service, 4, VISIT_S + 1, plain)];
    for (const { write } of both) write();
    expect(both.map(({ handed }) => handed)).toEqual([5, 5]);
    const visit = (shown: number, now: number): number | null => {
      const { handed, write } = serve(service, shown, now, plain);
      write();
      return handed;
    };
    expect(visit(5, 3 * VISIT_S)).toBe(6);
    expect(visit(5, 5 * VISIT_S)).toBe(7);
    expect(service.reused).toBe(false);
    visit(6, 7 * VISIT_S);
    expect(service.reused).toBe(true);
  });

  it('Generations are handed out once a visit, and the one before is good only while requests may be under way', () => {
    const record: Generations = { current: 4, parent: 3, at: 1000, seen: true };
    expect(useOf(record, 4, 1000 + VISIT_S - 1)).toEqual({ reused: false, next: null });
    expect(useOf(record, 4, 1000 + VISIT_S)).toEqual({ reused: false, next: 5 });
    expect(useOf(record, 3, 1000 + GRACE_S)).toEqual({ reused: false, next: null });
    expect(useOf(record, 3, 1000 + GRACE_S + 1)).toEqual({ reused: true, next: null });
    expect(useOf(record, 2, 1000)).toEqual({ reused: true, next: null });
    const unseen = { ...record, seen: false };
    expect(useOf(unseen, 3, 1000 + GRACE_S + 1)).toEqual({ reused: false, next: 5 });
    expect(useOf(unseen, 2, 1000)).toEqual({ reused: true, next: null });
  });

  it('Generations of trust that begins anew leave all earlier ones behind, and are one for all requests of a page', () => {
    expect(firstGeneration(NO_GENERATIONS, null, 1000)).toBe(1);
    const begun = afterUse(NO_GENERATIONS, null, 1, 1000);
    expect(begun).toEqual({ current: 1, parent: 0, at: 1000, seen: false });
    expect(firstGeneration(begun, null, 1000 + GRACE_S)).toBe(1);
    expect(afterUse(begun, null, 1, 1000 + GRACE_S)).toBe(begun);
    expect(firstGeneration({ current: 7, parent: 6, at: 1000, seen: true }, 5, 1000 + 40 * 86_400)).toBe(8);
    expect(firstGeneration(NO_GENERATIONS, 5, 1000)).toBe(6);
  });

  it('Generations begin with whatever a token of an earlier version shows', () => {
    expect(useOf(NO_GENERATIONS, 0, 1_800_000_000)).toEqual({ reused: false, next: 1 });
    const begun = afterUse(NO_GENERATIONS, 0, 1, 1_800_000_000);
    expect(begun).toEqual({ current: 1, parent: 0, at: 1_800_000_000, seen: false });
    expect(afterUse(begun, 1, null, 1_800_000_001)).toEqual({ ...begun, seen: true });
    // A record that was lost or written by an earlier version.
    expect(useOf(NO_GENERATIONS, 9, 1_800_000_000)).toEqual({ reused: false, next: null });
  });
});
