import { workshop } from '../support/servers/stepgate.ts';
import { storySuite } from './story-suite.ts';

storySuite(async (listsDir) => {
  const shop = await workshop();
  const { server } = await shop.start({ RULES_DIR: 'rules', IP_LISTS_DIR: listsDir });
  return { url: server.url, close: shop.close };
});
