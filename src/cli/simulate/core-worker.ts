import { parentPort, workerData } from 'node:worker_threads';
import { compileRules } from '../../rules/compile.ts';
import { FACT_CATALOG } from '../../signals/index.ts';
import type { CoreNews, CoreOrder, CoreWork } from './cores.ts';
import { simulationParts } from './drivers.ts';
import { lastWorld, playPart } from './run.ts';

/** Plays the parts that it is sent, one after the other. */
const { rules, size }: CoreWork = workerData;
const parts = { ...simulationParts(), rules: compileRules(rules, FACT_CATALOG) };
const worldAt = lastWorld(parts, size);
const send = (news: CoreNews): void => parentPort?.postMessage(news);

parentPort?.on('message', async (part: CoreOrder) => {
  send({ played: await playPart(parts, worldAt(part.seed), size, part, (share) => send({ share })) });
});
