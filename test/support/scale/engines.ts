import { join } from 'node:path';
import { type ServerProcess, startProcess } from '../../../bench/servers/process.ts';
import { keysWith } from '../servers/keys.ts';
import { KEY, post } from '../servers/stepgate.ts';
import { until } from '../until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SECRET = 'a-secret-that-all-engines-of-a-test-share';

/** An engine in a process of its own. */
export interface EngineProcess extends ServerProcess {
  /** Posts JSON and reads the answer as JSON. */
  call(path: string, body: object): Promise<{ readonly status: number; readonly answer: unknown }>;
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
}

/** Starts as many engines over one Redis, with the default rules and the same secrets, and waits until each is ready. */
export async function startEngines(
  count: number,
  redisUrl: string,
  more: NodeJS.ProcessEnv = {},
): Promise<readonly EngineProcess[]> {
  const environment = {
    PORT: '0',
    API_KEYS: keysWith('tester', KEY),
    PRIVACY_KEY: SECRET,
    DEVICE_TOKEN_SECRET: SECRET,
    RULES_DIR: join(ROOT, 'rules'),
    IP_LISTS_DIR: join(ROOT, 'no-lists'),
    // Places come with the requests.
    GEO_DATA: 'none',
    REDIS_URL: redisUrl,
    ...more,
  };
  return Promise.all(
    Array.from({ length: count }, async () => {
      const server = await startProcess(join(ROOT, 'src/node.ts'), environment);
      await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
      return {
        ...server,
        call: async (path: string, body: object) => {
          const { status, text } = await post(`${server.url}${path}`, JSON.stringify(body));
          return { status, answer: text === '' ? null : JSON.parse(text) };
        },
        get: async (path: string) => {
          const response = await fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${KEY}` } });
          return { status: response.status, text: await response.text() };
        },
      };
    }),
  );
}
