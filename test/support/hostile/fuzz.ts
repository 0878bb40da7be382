import fc from 'fast-check';
import { z } from 'zod';
import { type HostileRequest, hostileRequests } from './requests.ts';
import { OPEN_ACTION, OPEN_WORD, SECRETS } from './stage.ts';
import { faultsOf } from './verdict.ts';
import { exchange } from './wire.ts';

/** A request that was answered as none may be. */
export interface Finding {
  readonly request: HostileRequest;
  readonly faults: readonly string[];
}

/** What one round came to. */
export interface Round {
  /** Requests and shapes sent. */
  readonly sent: number;
  /** Answers by kind of request and status: `bytes 400`. */
  readonly answers: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
}

/** A fuzzer of one running server. */
export interface Fuzzer {
  /** Sends the requests of this seed, each over a connection of its own. The same seed sends the same. */
  round(seed: number, count: number): Promise<Round>;
}

/** Connections open at once. */
const AT_ONCE = 16;

/** Learns from the server itself what it takes. */
export async function fuzzer(url: string): Promise<Fuzzer> {
  const requests = hostileRequests(await (await fetch(`${url}/openapi.json`)).json());
  const port = Number(new URL(url).port);

  return {
    async round(seed, count) {
      const queue = fc.sample(requests, { seed, numRuns: count });
      const answers = new Map<string, number>();
      const findings: Finding[] = [];
      const work = async (): Promise<void> => {
        for (let request = queue.pop(); request !== undefined; request = queue.pop()) {
          const isHead = request.method.toUpperCase() === 'HEAD';
          const came = await exchange(port, request.bytes, { isHead, expectsClose: request.isWhole });
          for (const { status } of came.answers) {
            const name = `${request.kind} ${status}`;
            answers.set(name, (answers.get(name) ?? 0) + 1);
          }
          const faults = faultsOf(request, came);
          if (faults.length > 0) findings.push({ request, faults });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const changed = await changedBehaviour(url);
      if (changed !== null) throw new Error(`after the round of seed ${seed}: ${changed}`);
      return { sent: count, answers, findings };
    },
  };
}

const answered = z.object({ decision: z.string(), reasons: z.array(z.object({ code: z.string() })) });

/** Sound requests are answered as ever, whatever came before them; null where they are. */
async function changedBehaviour(url: string): Promise<string | null> {
  const ask = async (context: object) => {
    const response = await fetch(`${url}/v1/risk-check`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${SECRETS.apiKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ action: OPEN_ACTION, context }),
    });
    return answered.parse(await response.json());
  };
  const right = await ask({ word: OPEN_WORD });
  if (right.decision !== 'allow') return `the one permission is answered ${JSON.stringify(right)}`;
  const wrong = await ask({});
  if (wrong.decision !== 'deny') return `a request without the word is answered ${JSON.stringify(wrong)}`;
  return null;
}
