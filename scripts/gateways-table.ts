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

const SIGNS: { readonly [how in Shown]: string } = {
  run: 'yes',
  direct: 'yes',
  shape: 'shape',
  'not shown': '—',
};

const LEGEND =
  '*yes*: run through the real gateway (for the Worker: workerd) with the linked example. ' +
  '*shape*: Stepgate was called with requests of the shape that this gateway sends; what the gateway does with the answer ' +
  'depends on its configuration. —: not shown.';

/** The summary in the README: the example of each gateway, and how much of the matrix is shown with it. */
export function gatewaysSummary(): string {
  const { scenarios, gateways } = GATEWAYS;
  const rows = gateways.flatMap(({ name, example, shown }) => {
    if (example === null) return [];
    const count = (wanted: Shown): number => Object.values(shown).filter((how) => how === wanted).length;
    const found =
      count('run') > 0 ? `${count('run')} with the real gateway` : `${count('shape')} by the shape of its calls`;
    return [line([name, `[${example.replace('examples/', '')}](${example})`, `${found}, of ${scenarios.length}`])];
  });
  return [line(['gateway', 'example', 'scenarios tested']), line(['---', '---', '---']), ...rows].join('\n');
}

/** The matrix of docs/forward-auth.md. Gateways with the same results share a column. */
export function gatewaysTable(): string {
  const { scenarios, gateways } = GATEWAYS;
  const columns = new Map<string, { readonly names: string[]; readonly signs: readonly string[] }>();
  for (const { name, example, shown } of gateways) {
    const signs = scenarios.map(({ id }) => SIGNS[shown[id] ?? 'not shown']);
    const linked = example === null ? name : `[${name}](../${example})`;
    const same = columns.get(signs.join());
    if (same === undefined) columns.set(signs.join(), { names: [linked], signs });
    else same.names.push(linked);
  }
  const shown = [...columns.values()];
  return [
    line(['scenario', ...shown.map(({ names }) => names.join(', '))]),
    line(['---', ...shown.map(() => ':-:')]),
    ...scenarios.map(({ title }, row) => line([title, ...shown.map(({ signs }) => signs[row] ?? '')])),
    '',
    LEGEND,
  ].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
