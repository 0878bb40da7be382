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
  '*yes*: through the running gateway (for the Worker: workerd) with the example linked above. ' +
  '*shape*: the engine is asked by requests of the shape that this gateway sends; what the gateway does with the answer is ' +
  'left to its configuration. —: not shown.';

/** The gateways as they stand in the README: the example of each, and how much of the matrix is shown with it. */
export function gatewaysSummary(): string {
  const { scenarios, gateways } = GATEWAYS;
  const rows = gateways.flatMap(({ name, example, shown }) => {
    if (example === null) return [];
    const count = (wanted: Shown): number => Object.values(shown).filter((how) => how === wanted).length;
    const told =
      count('run') > 0 ? `${count('run')} through the running gateway` : `${count('shape')} by the shape of its calls`;
    return [line([name, `[${example.replace('examples/', '')}](${example})`, `${told}, of ${scenarios.length}`])];
  });
  return [line(['gateway', 'example', 'scenarios tested']), line(['---', '---', '---']), ...rows].join('\n');
}

/** The matrix of gateways and scenarios as it stands in docs/forward-auth.md. */
export function gatewaysTable(): string {
  const { scenarios, gateways } = GATEWAYS;
  const names = gateways.map(({ name, example }) => (example === null ? name : `[${name}](../${example})`));
  return [
    line(['scenario', ...names]),
    line(['---', ...names.map(() => ':-:')]),
    ...scenarios.map(({ id, title }) =>
      line([title, ...gateways.map((gateway) => SIGNS[gateway.shown[id] ?? 'not shown'])]),
    ),
    '',
    LEGEND,
  ].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
