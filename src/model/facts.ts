/** A value that a signal measured. Numbers are finite; a list holds strings in a stable order. */
export type FactValue = number | string | boolean | readonly string[];

/** Any JSON value: what a caller may put under `context`, `resource.properties` and `subject.properties`. */
export type Json = number | string | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object with string keys. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Whether a value is an object with keys, no list. */
export function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Declaration of a fact, made once by the signal that measures it; used by the rule compiler and the docs. */
export interface FactSpec {
  readonly type: 'number' | 'string' | 'boolean' | 'list';
  /** Unit of a number: `km`, `s`, `days`, `1` for a plain count or ratio. */
  readonly unit?: string;
  /** One line for the table in the README. */
  readonly meaning: string;
  /** All values of a `string` or `list` fact, if they are known. A rule with another value is refused. */
  readonly values?: readonly string[];
  /** The `list` fact that names values whose presence in this list is unknown. */
  readonly unknownIn?: string;
}

/** Full fact name (`travel.speed_kmh`) to what it is. */
export interface FactCatalog {
  readonly [name: string]: FactSpec;
}

/** Measured facts by full name. A name that is absent or undefined is *unknown*: neither safe nor bad. */
export interface MeasuredFacts {
  readonly [name: string]: FactValue | undefined;
}

/** Everything that the rules of one check may test. */
export interface Facts {
  /** Facts of the signals and of the request (`action`, `resource.type`, …). */
  readonly measured: MeasuredFacts;
  /** Free facts, addressed as `context.*`. */
  readonly context: JsonObject;
  /** Free facts, addressed as `resource.properties.*`. */
  readonly resourceProperties: JsonObject;
  /** Free facts, addressed as `subject.properties.*`. */
  readonly subjectProperties: JsonObject;
}
