import { DAY_MS, EPOCH_MS } from './browser.ts';
import { type Chance, chanceOf } from './chance.ts';
import { FREQUENCIES, FREQUENCY_NAMES, type Frequency } from './frequencies.ts';
import { buildWorld, type World } from './geography.ts';
import { emptyJars, type Jars, playHonest, unborn } from './honest.ts';
import { mixReportOf } from './mix-report.ts';
import { MIXES, type Mix, type MixName } from './mixes.ts';
import { KINDS, type PersonKind } from './people/kinds.ts';
import { personOf } from './people/life.ts';
import type { Report } from './report.ts';
import { raise, type SimulationParts, type Stage } from './stage.ts';
import { type Cell, mergedCells, newTally, type Tally } from './tally.ts';
import { raiseForThefts, rob, type Theft, type Victim, victimOf } from './theft.ts';
import { THIEF_CLASSES } from './thieves.ts';
import { actsOf } from './visits.ts';

/** How much is played. */
export interface SimulationSize {
  /** Each is a world of its own; what they meet is added up. The same seeds give the same report. */
  readonly seeds: readonly string[];
  /** The populations, each with people and thieves of its own. */
  readonly mixes: readonly MixName[];
  /** People of each kind and frequency. */
  readonly people: number;
  /** Victims of each population. Every class of thieves tries each of them. */
  readonly victims: number;
  /** Share of the full time that is played of each person, above 0; at 1 the rarest come for three and a half years. */
  readonly span: number;
  /** Random addresses from which the world is made; at least 20,000 are needed. */
  readonly samples: number;
  /** Most countries in which people live, at least 16. */
  readonly countries: number;
}

/** Two minutes on two cores. */
export const DEFAULT_SIZE: SimulationSize = {
  seeds: ['1'],
  mixes: ['bank', 'sso'],
  people: 3,
  victims: 120,
  span: 1,
  samples: 100_000,
  countries: 60,
};

/** Called from time to time with the share that has been played, 0..1. */
export type OnProgress = (share: number) => void;

/**
 * A part that can be played by itself. People of one kind meet one another behind shared addresses, so that they stay together;
 * each victim is robbed in a store of their own.
 */
export interface RunPart {
  readonly seed: string;
  readonly mix: MixName;
  readonly what: 'people' | 'thieves';
  /** Which of {@link SHARDS}. */
  readonly shard: number;
}

/** What one part met. */
export interface Played {
  readonly mix: MixName;
  readonly cells: readonly Cell[];
  readonly thefts: readonly Theft[];
}

/** Parts of the people and of the thieves of a mix. Fixed, so that a report does not depend on the number of cores. */
const SHARDS = 4;

/** All parts of a simulation. Those of one world follow one another. */
export function partsOf({ seeds, mixes }: SimulationSize): RunPart[] {
  const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
  return seeds.flatMap((seed) =>
    mixes.flatMap((mix) =>
      (['people', 'thieves'] as const).flatMap((what) => shards.map((shard) => ({ seed, mix, what, shard }))),
    ),
  );
}

/**
 * Plays honest people and thieves through the engine in order of time and reports who was allowed, asked and denied, and why.
 * Honest people who are asked prove themselves, most of the time; few thieves can. Deterministic for its seeds.
 */
export async function simulate(parts: SimulationParts, size: SimulationSize, onProgress?: OnProgress): Promise<Report> {
  const all = partsOf(size);
  const played: Played[] = [];
  const worldAt = lastWorld(parts, size);
  for (const [index, part] of all.entries()) {
    const tell = (share: number): void => onProgress?.((index + share) / all.length);
    played.push(await playPart(parts, worldAt(part.seed), size, part, tell));
  }
  return reportOf(size, parts.rules.revision, played);
}

/** Gives the world of a seed, and keeps it until another is asked for. */
export function lastWorld({ geo }: Pick<SimulationParts, 'geo'>, size: SimulationSize): (seed: string) => World {
  let last: { readonly seed: string; readonly world: World } | undefined;
  return (seed) => {
    if (last?.seed !== seed) last = { seed, world: buildWorld(geo, chanceOf(seed).fork('world'), size) };
    return last.world;
  };
}

/** Plays one part in the world of its seed. */
export async function playPart(
  parts: SimulationParts,
  world: World,
  size: SimulationSize,
  { seed, mix, what, shard }: RunPart,
  onProgress: OnProgress,
): Promise<Played> {
  const chance = chanceOf(seed).fork(mix).fork(what);
  const played =
    what === 'people'
      ? { cells: await playPeople(parts, world, mix, shard, chance, size, onProgress), thefts: [] }
      : { cells: [], thefts: await playThieves(parts, world, mix, shard, chance, size, onProgress) };
  onProgress(1);
  return { mix, ...played };
}

/** Adds up what the parts met, in the order of {@link partsOf}. */
export function reportOf({ seeds, mixes }: SimulationSize, rulesRevision: string, played: readonly Played[]): Report {
  return {
    seeds,
    rulesRevision,
    mixes: mixes.map((mix) => {
      const own = played.filter((one) => one.mix === mix);
      return mixReportOf(
        mix,
        mergedCells(own.flatMap(({ cells }) => cells)),
        own.flatMap(({ thefts }) => thefts),
      );
    }),
  };
}

/** One thing that happens at one moment. */
interface Turn {
  readonly atMs: number;
  readonly play: () => Promise<void>;
}

/** Keys in the store for each person: what they are known by, and the addresses of a day. */
const KEYS_OF_PERSON = 30;

async function playPeople(
  parts: SimulationParts,
  world: World,
  mix: MixName,
  shard: number,
  chance: Chance,
  size: SimulationSize,
  onProgress: OnProgress,
): Promise<readonly Cell[]> {
  const kinds = KINDS.filter((_kind, index) => index % SHARDS === shard);
  const people = kinds.length * FREQUENCY_NAMES.length * size.people;
  const engine = chance.fork(`engine-${shard}`);
  const stage = await raise(parts, world.lists, engine, Math.max(20_000, people * KEYS_OF_PERSON));
  const jars = emptyJars();
  const tally = newTally(kinds);
  const turns: Turn[] = [];
  for (const kind of kinds) {
    for (const frequency of FREQUENCY_NAMES) {
      for (let index = 0; index < size.people; index++) {
        turns.push(
          ...turnsOf({ stage, world, jars, tally }, { kind, frequency, index }, MIXES[mix], chance, size.span),
        );
      }
    }
  }
  turns.sort((a, b) => a.atMs - b.atMs);
  for (const [index, { play }] of turns.entries()) {
    await play();
    if (index % PROGRESS_TURNS === 0) onProgress(index / turns.length);
  }
  return tally.cells;
}

const PROGRESS_TURNS = 2000;

interface Scene {
  readonly stage: Stage;
  readonly world: World;
  readonly jars: Jars;
  readonly tally: Tally;
}

/** People who share a tablet. */
const HOUSEHOLD = 3;

function turnsOf(
  { stage, world, jars, tally }: Scene,
  { kind, frequency, index }: { readonly kind: PersonKind; readonly frequency: Frequency; readonly index: number },
  mix: Mix,
  chance: Chance,
  span: number,
): Turn[] {
  const id = `${kind}-${frequency}-${index}`;
  const household = kind === 'shared_tablet' ? `${kind}-${frequency}-of-${Math.floor(index / HOUSEHOLD)}` : id;
  const spanDays = FREQUENCIES[frequency].playedDays * span;
  const person = personOf({ id, kind, household, spanDays }, world, chance.fork(household));
  const life = unborn();
  const record = tally.person(kind, frequency, spanDays / 365);
  const own = chance.fork(`${id}/acts`);
  const habit = { frequency, pays: mix.pays };
  return actsOf(person, habit, EPOCH_MS, EPOCH_MS + spanDays * DAY_MS, own).map((act, turn) => ({
    atMs: act.atMs,
    play: async () => {
      const met = await playHonest(stage, person, jars, life, act, own.fork(`turn-${turn}`));
      if (met !== null) record(met);
    },
  }));
}

async function playThieves(
  parts: SimulationParts,
  world: World,
  mix: MixName,
  shard: number,
  chance: Chance,
  size: SimulationSize,
  onProgress: OnProgress,
): Promise<Theft[]> {
  const stage = await raiseForThefts(parts, world, chance.fork(`engine-${shard}`));
  const thefts: Theft[] = [];
  for (let index = shard; index < size.victims; index += SHARDS) {
    const victim = await anyVictim(stage, parts, world, MIXES[mix], chance.fork(`victim-${index}`), index);
    for (const thief of victim === null ? [] : THIEF_CLASSES) {
      const theft = victim && (await rob(stage, parts, world, thief, victim, chance.fork(`${thief}-${index}`)));
      if (theft !== null) thefts.push(theft);
    }
    onProgress(index / size.victims);
  }
  return thefts;
}

/** Every eighth victim works in a big office, where colleagues have machines of one image. */
const OFFICE_VICTIMS = 8;

async function anyVictim(
  stage: Stage,
  parts: SimulationParts,
  world: World,
  mix: Mix,
  chance: Chance,
  index: number,
): Promise<Victim | null> {
  // Some lives turn out too short to be robbed: then another is drawn.
  for (let draw = 0; draw < 5; draw++) {
    const own = chance.fork(`draw-${draw}`);
    const kind = index % OFFICE_VICTIMS === 0 ? 'big_office' : drawn(mix.kinds, own);
    const frequency = drawn(mix.frequencies, own);
    const victim = await victimOf(
      stage,
      parts,
      world,
      { id: `victim-${index}`, kind, frequency, pays: mix.pays },
      own.fork('life'),
    );
    if (victim !== null) return victim;
  }
  return null;
}

/** One name, each as likely as its share says. */
export function drawn<Name extends string>(shares: { readonly [name in Name]: number }, chance: Chance): Name {
  const names = Object.keys(shares) as Name[];
  let left = chance.next() * names.reduce((sum, name) => sum + shares[name], 0);
  for (const name of names) {
    left -= shares[name];
    if (left < 0) return name;
  }
  return chance.pick(names);
}
