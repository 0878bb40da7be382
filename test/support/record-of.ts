import { testApp } from './http/test-app.ts';

/** The record of one risk check, and its answer. */
export async function recordOf(body: unknown, more?: Parameters<typeof testApp>[0]) {
  const { post, records, settled, engine } = testApp(more);
  const response = await post('/v1/risk-check', body, { 'X-Request-ID': 'req-1' });
  await settled();
  const [record] = records;
  if (record === undefined) throw new Error('no record');
  return { record, answer: await response.json(), engine };
}
