import { isDeepStrictEqual } from 'node:util';

/**
 * As much of vitest as the contract suites use, to be bundled in its place: the suites then run inside workerd, each test in a
 * request of its own.
 */

/** A test that a suite has declared. */
export interface DeclaredTest {
  readonly name: string;
  /** Opens what the suite needs, runs the test, closes. */
  run(): Promise<void>;
}

type Step = () => unknown;

interface Suite {
  readonly names: readonly string[];
  readonly before: Step[];
  readonly after: Step[];
}

/** Everything that `describe` and `test` declared, in order. */
export const declared: DeclaredTest[] = [];
const suites: Suite[] = [];

export function describe(name: string, declare: () => void): void {
  const names = [...(suites.at(-1)?.names ?? []), name];
  suites.push({ names, before: [], after: [] });
  declare();
  suites.pop();
}

export function beforeAll(step: Step): void {
  suites.at(-1)?.before.push(step);
}

export function afterAll(step: Step): void {
  suites.at(-1)?.after.push(step);
}

export function test(name: string, body: Step): void {
  const around = [...suites];
  declared.push({
    name: [...(around.at(-1)?.names ?? []), name].join(' > '),
    async run() {
      for (const { before } of around) for (const step of before) await step();
      try {
        await body();
      } finally {
        for (const { after } of around.toReversed()) for (const step of after.toReversed()) await step();
      }
    },
  });
}

test.each =
  <T>(cases: readonly T[]) =>
  (name: string, body: (one: T) => unknown): void => {
    for (const one of cases) test(name.replace('%d', String(one)), () => body(one));
  };

export function expect(actual: unknown) {
  const check = (holds: boolean, wanted: string): void => {
    if (!holds) throw new Error(`expected ${shown(actual)} ${wanted}`);
  };
  return {
    toBe: (wanted: unknown) => check(Object.is(actual, wanted), `to be ${shown(wanted)}`),
    toBeNull: () => check(actual === null, 'to be null'),
    toEqual: (wanted: unknown) => check(isDeepStrictEqual(actual, wanted), `to equal ${shown(wanted)}`),
    toMatchObject: (wanted: object) => check(holdsAll(actual, wanted), `to match ${shown(wanted)}`),
    toHaveLength: (wanted: number) =>
      check(Array.isArray(actual) && actual.length === wanted, `to have the length ${wanted}`),
    rejects: {
      async toSatisfy(judge: (error: unknown) => boolean) {
        const error = await Promise.resolve(actual).then(
          () => null,
          (reason: unknown) => reason,
        );
        if (error === null || !judge(error)) throw new Error(`rejected with ${String(error)}`);
      },
    },
  };
}

function holdsAll(actual: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null || typeof actual !== 'object' || actual === null) {
    return isDeepStrictEqual(actual, wanted);
  }
  const found = new Map(Object.entries(actual));
  return Object.entries(wanted).every(([key, value]) => holdsAll(found.get(key), value));
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
