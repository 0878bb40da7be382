import { scene } from './scene.ts';

/** The record of one risk check, and its answer. */
export async function recordOf(body: unknown, more?: Parameters<typeof scene>[0]) {
  const { post, records, settled, engine } = scene(more);
  const response = await post('/v1/risk-check', body, { 'X-Request-ID': 'req-1' });
  await settled();
  const [record] = records;
  if (record === undefined) throw new Error('no record');
  return { record, answer: await response.json(), engine };
}
