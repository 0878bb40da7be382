import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** How a scenario is shown with a gateway. */
const shown = z.enum(['run', 'direct', 'shape', 'not shown']);
export type Shown = z.output<typeof shown>;

/** docs/gateways.json: which scenario is shown how with which gateway. The gateways' tests compare it with what they did. */
export const GATEWAYS = z
  .strictObject({
    scenarios: z.array(z.strictObject({ id: z.string(), title: z.string() })),
    gateways: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        /** Path of the configuration that is used. */
        example: z.string().nullable(),
        shown: z.record(z.string(), shown),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../docs/gateways.json'), 'utf8')));

const MEANINGS: { readonly [how in Shown]: string } = {
  run: 'Real gateway',
  direct: 'Direct calls',
  shape: 'Shape of the calls',
  'not shown': 'Not tested',
};

const LEGEND =
  '*Real gateway*: run through it with its example. *Shape of the calls*: Stepgate is called as this gateway would call it.';

/** The summary in the README: the example of each gateway, and how much of the matrix is shown with it. */
export function gatewaysSummary(): string {
  const { scenarios, gateways } = GATEWAYS;
  const rows = gateways.flatMap(({ name, example, shown }) => {
    if (example === null) return [];
    const count = (wanted: Shown): number => Object.values(shown).filter((how) => how === wanted).length;
    const found =
      count('run') > 0
        ? `${count('run')} of ${scenarios.length}, real gateway`
        : `${count('shape')} of ${scenarios.length}, shape of its calls`;
    return [line([name, `[${example.replace('examples/', '')}](${example})`, found])];
  });
  return [line(['gateway', 'example', 'scenarios tested']), line(['---', '---', '---']), ...rows].join('\n');
}

/** The matrix of docs/forward-auth.md: scenarios with the same results for every gateway form one line, without titles for most. */
export function gatewaysTable(): string {
  const { scenarios, gateways } = GATEWAYS;
  const groups = new Map<string, string[]>();
  for (const { id, title } of scenarios) {
    const results = new Map<Shown, string[]>();
    for (const { name, shown } of gateways) {
      const how = shown[id] ?? 'not shown';
      results.set(how, [...(results.get(how) ?? []), name]);
    }
    const heading = [...results].map(([how, names]) => `*${MEANINGS[how]}*: ${names.join(', ')}`).join('. ');
    groups.set(heading, [...(groups.get(heading) ?? []), title]);
  }
  const most = Math.max(...[...groups.values()].map(({ length }) => length));
  const lists = [...groups].map(([heading, titles]) => {
    const scenarios =
      titles.length === most ? `${most} scenarios of [gateways.json](gateways.json)` : titles.join('; ');
    return `- ${scenarios}. ${heading}.`;
  });
  return [LEGEND, '', ...lists].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
