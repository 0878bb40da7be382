import { fileURLToPath } from 'node:url';
import { authzenSuite, KEY } from '../../contract/authzen/authzen-suite.ts';
import { keysWith } from '../../support/servers/keys.ts';
import { startWorker } from '../../support/servers/worker.ts';

authzenSuite((rules, more) =>
  startWorker({
    rulesDir: fileURLToPath(new URL(`../../contract/authzen/fixtures/${rules}`, import.meta.url)),
    vars: { API_KEYS: keysWith('pep', KEY), LOG_LEVEL: 'error', ...more },
  }),
);
