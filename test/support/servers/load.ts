import { Agent } from 'node:http';
import { post } from './stepgate.ts';

/** One call of a load and what came back. */
export interface Answered<Kind extends string> {
  readonly kind: Kind;
  /** What `enter` had last said when the call was sent. */
  readonly phase: string;
  readonly status: number;
  /** From before it was sent until its answer was whole, in ms. */
  readonly ms: number;
  /** When that was, by `performance.now()`. */
  readonly atMs: number;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly answer: any;
}

/** Calls that go on until they are stopped. */
export interface Load<Kind extends string> {
  readonly answers: readonly Answered<Kind>[];
  /** Transport errors, and answers that came after the patience was over. */
  readonly failures: readonly unknown[];
  enter(phase: string): void;
  /** Resolves once every call that was sent before has been answered. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface LoadOptions<Kind extends string> {
  readonly url: string;
  readonly connections: number;
  readonly kinds: readonly Kind[];
  /** The body of the `n`th call. */
  readonly body: (kind: Kind, phase: string, n: number) => Promise<object>;
  /** An answer that is not there when this timer has gone off is a failure, in ms. */
  readonly patienceMs: number;
  /** What each connection rests between two calls, in ms; default 10: a steady load rather than as much as can be. */
  readonly restMs?: number;
}

/** Posts to one URL over this many connections at once, the kinds of calls in turn. */
export function startLoad<Kind extends string>({
  url,
  connections,
  kinds,
  body,
  patienceMs,
  restMs = 10,
}: LoadOptions<Kind>): Load<Kind> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const answers: Answered<Kind>[] = [];
  const failures: unknown[] = [];
  const open = new Set<Promise<void>>();
  let phase = '';
  let sent = 0;
  let running = true;

  async function call(kind: Kind, sentIn: string, n: number): Promise<void> {
    const text = JSON.stringify(await body(kind, sentIn, n));
    const sentMs = performance.now();
    let alarm: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      alarm = setTimeout(() => reject(new Error(`no answer after ${patienceMs} ms: ${text}`)), patienceMs);
    });
    try {
      const { status, text: answer } = await Promise.race([post(url, text, { agent }), late]);
      const atMs = performance.now();
      answers.push({ kind, phase: sentIn, status, ms: atMs - sentMs, atMs, answer: JSON.parse(answer) });
    } catch (error) {
      failures.push(error);
    } finally {
      clearTimeout(alarm);
    }
  }

  async function connection(): Promise<void> {
    while (running) {
      const kind = kinds[sent % kinds.length];
      if (kind === undefined) return;
      const one = call(kind, phase, sent++);
      open.add(one);
      await one;
      open.delete(one);
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  const all = Array.from({ length: connections }, connection);
  return {
    answers,
    failures,
    enter: (next) => {
      phase = next;
    },
    settled: async () => {
      await Promise.all(open);
    },
    stop: async () => {
      running = false;
      await Promise.all(all);
      agent.destroy();
    },
  };
}
