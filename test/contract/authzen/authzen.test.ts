import { fileURLToPath } from 'node:url';
import { loadSettings } from '../../../src/app/settings.ts';
import { startServer } from '../../../src/node.ts';
import { keysWith } from '../../support/servers/keys.ts';
import { authzenSuite, KEY } from './authzen-suite.ts';

authzenSuite((rules, more) => {
  const environment = {
    PORT: '0',
    API_KEYS: keysWith('pep', KEY),
    RULES_DIR: fileURLToPath(new URL(`./fixtures/${rules}`, import.meta.url)),
    LOG_LEVEL: 'silent',
    ...more,
  };
  return startServer(loadSettings(environment, () => 'a-secret-made-for-one-run-of-this-test'));
});
