import { parentPort, workerData } from 'node:worker_threads';
import { compileRules } from '../../rules/compile.ts';
import { FACT_CATALOG } from '../../signals/index.ts';
import type { CoreNews, CoreOrder, CoreWork } from './cores.ts';
import { simulationParts } from './drivers.ts';
import type { World } from './geography.ts';
import { playPart, worldOf } from './run.ts';

/** Plays the parts that it is sent, one after the other. It keeps the world of a seed until another is asked for. */
const { rules, size }: CoreWork = workerData;
const parts = { ...simulationParts(), rules: compileRules(rules, FACT_CATALOG) };
let world: { readonly seed: string; readonly is: World } | null = null;
const send = (news: CoreNews): void => parentPort?.postMessage(news);

parentPort?.on('message', async (part: CoreOrder) => {
  if (world?.seed !== part.seed) world = { seed: part.seed, is: worldOf(parts, size, part.seed) };
  send({ played: await playPart(parts, world.is, size, part, (share) => send({ share })) });
});
