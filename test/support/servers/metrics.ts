/**
 * Reads `/metrics` of a service. The answer gives a counter or gauge by its name: the sum over all whose labels have these
 * values, 0 where there is none.
 */
export async function metricsOf(
  url: string,
): Promise<(name: string, labels?: Readonly<Record<string, string>>) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)];
  return (name, labels = {}) =>
    lines
      .filter(([, found, said = '']) => {
        return found === name && Object.entries(labels).every(([label, value]) => said.includes(`${label}="${value}"`));
      })
      .reduce((sum, [, , , value]) => sum + Number(value), 0);
}
