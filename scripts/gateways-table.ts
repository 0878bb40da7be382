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

/** The matrix of gateways and scenarios as it stands in the README. */
export function gatewaysTable(): string {
  const { scenarios, gateways } = GATEWAYS;
  const names = gateways.map(({ name, example }) => (example === null ? name : `[${name}](${example})`));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
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
