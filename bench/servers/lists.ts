import { existsSync } from 'node:fs';
import { listConfigSchema } from '../../src/data/lists/lists.ts';
import { buildLists, readListFile } from '../../src/data/lists/lists-file.ts';

/** Public lists stored next to the project, and their categories. */
const DATA = '../shared/data/ip';
const FILES: readonly (readonly [name: string, category: string, file: string, more?: object])[] = [
  ['tor', 'tor', 'tor-exit-nodes.lst'],
  ['vpn-v4', 'vpn', 'x4b-vpn-ipv4.txt'],
  ['vpn-v6', 'vpn', 'x4b-vpn-ipv6.txt'],
  ['datacenter-v4', 'datacenter', 'x4b-datacenter-ipv4.txt', { max_coverage: 1 / 8 }],
  ['datacenter-v6', 'datacenter', 'x4b-datacenter-ipv6.txt'],
  ['amazon-v4', 'datacenter', 'amazon-ipv4.txt', { max_coverage: 1 / 8 }],
  ['relay-v4', 'relay', 'apple-relay-ipv4.txt'],
  ['relay-v6', 'relay', 'apple-relay-ipv6.txt'],
  ['ipsum', 'attack', 'ipsum.txt', { min_count: 3 }],
];

/** Compiles the lists that are there into a directory. Answers with how many were built. */
export async function buildPublicLists(dir: string): Promise<number> {
  const there = FILES.filter(([, , file]) => existsSync(`${DATA}/${file}`));
  const inputs = await Promise.all(
    there.map(([name, category, source, more]) =>
      readListFile(
        listConfigSchema.parse({ name, category, source, format: 'text', max_age_days: 36_500, ...more }),
        DATA,
      ),
    ),
  );
  const outcomes = await buildLists(inputs, { dir });
  return outcomes.filter(({ outcome }) => outcome === 'built').length;
}
