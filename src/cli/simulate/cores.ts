import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RuleText } from '../../rules/rule-file.ts';
import type { Report } from './report.ts';
import { type OnProgress, type Played, partsOf, type RunPart, reportOf, type SimulationSize } from './run.ts';

/** What a worker is started with. */
export interface CoreWork {
  readonly rules: readonly RuleText[];
  readonly size: SimulationSize;
}

/** What a worker is sent: the next part. */
export type CoreOrder = RunPart;

/** What a worker sends: how far its part has come, and what it met. */
export type CoreNews = { readonly share: number } | { readonly played: Played };

/**
 * The same report as `simulate`, on several cores: a worker for each, all of which take parts from one list until it is empty.
 * Rejects when a worker fails.
 */
export async function simulateOnCores(
  work: CoreWork,
  rulesRevision: string,
  cores: number,
  onProgress: OnProgress,
): Promise<Report> {
  const parts = partsOf(work.size);
  const shares = parts.map(() => 0);
  const played = new Map<number, Played>();
  const left = parts.entries();
  const workers = Array.from({ length: Math.min(cores, parts.length) }, () => new Worker(WORKER, { workerData: work }));
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (const [index, part] of left) {
          const own = await playOn(worker, part, (share) => {
            shares[index] = share;
            onProgress(shares.reduce((sum, each) => sum + each, 0) / parts.length);
          });
          played.set(index, own);
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return reportOf(
    work.size,
    rulesRevision,
    [...played].sort(([a], [b]) => a - b).map(([, own]) => own),
  );
}

/** From the source a TypeScript file, from the build a JavaScript one. */
const WORKER = new URL(`./core-worker${extname(import.meta.url)}`, import.meta.url);

function playOn(worker: Worker, part: CoreOrder, onShare: (share: number) => void): Promise<Played> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number): void => reject(new Error(`a worker of the simulation ended with ${code}`));
    const onMessage = (news: CoreNews): void => {
      if ('share' in news) {
        onShare(news.share);
        return;
      }
      worker.off('message', onMessage).off('error', reject).off('exit', onExit);
      resolve(news.played);
    };
    worker.on('message', onMessage).on('error', reject).on('exit', onExit);
    worker.postMessage(part);
  });
}
