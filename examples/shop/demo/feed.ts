import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { DecisionRecord, FactValue } from './decision-record.ts';
import type { FeedDecision, FeedEvent } from './feed-event.ts';
import type { Place, Who } from './places.ts';

/** Events for the panel, live and replayed for a panel that opens later. */
export interface Feed {
  publish(event: FeedEvent): void;
  /** Recent events, oldest first. */
  recent(): readonly FeedEvent[];
  /** Calls back for each event from now on, until the returned function is called. */
  follow(listener: (event: FeedEvent) => void): () => void;
  /** Forgets all events. */
  reset(): void;
}

const KEPT = 40;

export function openFeed(): Feed {
  const events: FeedEvent[] = [];
  const listeners = new Set<(event: FeedEvent) => void>();
  return {
    publish(event) {
      events.push(event);
      if (events.length > KEPT) events.shift();
      for (const listener of listeners) listener(event);
    },
    recent: () => [...events],
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reset() {
      events.length = 0;
    },
  };
}

const describedRules = z.object({
  rules: z.array(z.object({ id: z.string(), description: z.string().optional() })),
});

/** Whose browser a request comes from, and from where. */
export interface Origin {
  readonly who: Who;
  readonly place: Place;
}

/** Describes decision records with the texts of the rule file. `originOf` resolves the pseudonyms of the demo's addresses. */
export async function recordTeller(
  rulesFile: string,
  originOf: (pseudonym: string) => Origin | undefined,
): Promise<(record: DecisionRecord) => FeedDecision> {
  const { rules } = describedRules.parse(JSON.parse(await readFile(rulesFile, 'utf8')));
  const descriptions = new Map(rules.map(({ id, description }) => [id, description ?? id]));
  return (record) => {
    const origin = record.address === null ? undefined : originOf(record.address);
    const { facts } = record;
    const inWords = (rule: string | null, known: typeof facts): string =>
      rule === null ? '' : filledIn(descriptions.get(rule) ?? rule, { ...facts, ...known, score: record.score });
    return {
      id: record.id,
      at: record.occurred_at,
      who: origin?.who ?? null,
      place:
        origin === undefined ? null : { name: origin.place.name, at: origin.place.at, isPlace: origin.place.isPlace },
      action: record.action,
      decision: record.decision,
      score: record.score,
      level: record.level,
      rule: record.rule === null ? null : { id: record.rule.id, text: inWords(record.rule.id, {}) },
      reasons: record.reasons.map(({ code, rule, points, facts: compared }) => ({
        code,
        points,
        text: inWords(rule, compared) || code.replaceAll('_', ' '),
      })),
      signals: Object.entries(record.signals).map(([name, { state, why }]) => ({
        name,
        state,
        why: why ?? null,
        facts: factsOf(name, facts),
      })),
      proof: record.step_up,
      speedKmh: numberOf(facts['travel.speed_kmh']),
      distanceKm: numberOf(facts['travel.distance_km']),
    };
  };
}

/** Facts are named after their signal, except those of `velocity`. */
function factsOf(signal: string, facts: DecisionRecord['facts']): { name: string; value: string }[] {
  const isOf = (name: string): boolean =>
    signal === 'velocity'
      ? name.startsWith('subject.') || /^ip\..*_\d+[mh]$/.test(name)
      : name.startsWith(`${signal}.`) && !/_\d+[mh]$/.test(name);
  return Object.entries(facts)
    .filter(([name]) => isOf(name))
    .map(([name, value]) => ({ name, value: textOf(value) }));
}

function filledIn(description: string, facts: DecisionRecord['facts']): string {
  return description.replaceAll(/\{([a-z0-9_.]+)\}/g, (_whole, name: string) => {
    const value = facts[name];
    return value === undefined ? '…' : textOf(value);
  });
}

function textOf(value: FactValue): string {
  if (typeof value === 'number') return value.toLocaleString('en-GB');
  return Array.isArray(value) ? value.join(', ') || 'none' : String(value);
}

function numberOf(value: FactValue | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
