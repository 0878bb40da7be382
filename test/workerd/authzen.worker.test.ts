import { fileURLToPath } from 'node:url';
import { authzenSuite, KEY } from '../authzen/authzen-suite.ts';
import { keysWith } from '../servers/keys.ts';
import { startWorker } from '../servers/worker.ts';

authzenSuite((rules, more) =>
  startWorker({
    rulesDir: fileURLToPath(new URL(`../authzen/fixtures/${rules}`, import.meta.url)),
    vars: { API_KEYS: keysWith('pep', KEY), LOG_LEVEL: 'error', ...more },
  }),
);
