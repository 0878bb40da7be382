import { agree } from './file-settings.ts';
import { add, type Findings } from './findings.ts';
import type { ActionEntry, OpenedFile } from './rule-file.ts';
import type { ActionPolicy, RoutePattern } from './ruleset.ts';

/** The entries of `actions` of all files. */
export type DeclaredActions = ReadonlyMap<string, { readonly entry: ActionEntry; readonly routes: readonly string[] }>;

/** Merges `actions` of all files: routes add up, everything else may be set to one value only. */
export function mergeActions(files: readonly OpenedFile[], findings: Findings): DeclaredActions {
  const names = new Set(files.flatMap((file) => Object.keys(file.body.actions ?? {})));
  const takenBy = new Map<string, { readonly action: string; readonly file: string }>();
  const actions = new Map<string, { entry: ActionEntry; routes: readonly string[] }>();
  for (const name of [...names].sort()) {
    const one = <Value>(path: readonly string[], pick: (entry: ActionEntry) => Value | undefined): Value | undefined =>
      agree(
        files.map(({ name: file, body }) => {
          const entry = body.actions?.[name];
          return { file, value: entry === undefined ? undefined : pick(entry) };
        }),
        ['actions', name, ...path],
        findings,
      );
    const entry: ActionEntry = {
      learn: one(['learn'], (each) => each.learn),
      floor: one(['floor'], (each) => each.floor),
      guarded: one(['guarded'], (each) => each.guarded),
      trust: {
        days: one(['trust', 'days'], (each) => each.trust?.days),
        idle_days: one(['trust', 'idle_days'], (each) => each.trust?.idle_days),
        on_step_up: one(['trust', 'on_step_up'], (each) => each.trust?.on_step_up),
        acr_values: one(['trust', 'acr_values'], (each) => each.trust?.acr_values),
        amr_values: one(['trust', 'amr_values'], (each) => each.trust?.amr_values),
      },
    };
    const routes = new Set<string>();
    for (const { name: file, body } of files) {
      for (const [i, route] of (body.actions?.[name]?.routes ?? []).entries()) {
        const key = routeKey(route);
        const taken = takenBy.get(key);
        if (taken !== undefined && taken.action !== name) {
          const message = `The route "${route}" is already the action "${taken.action}" in ${taken.file}. A route belongs to one action.`;
          add(findings, file, ['actions', name, 'routes', i], 'conflict', message);
        }
        takenBy.set(key, taken ?? { action: name, file });
        routes.add(route);
      }
    }
    actions.set(name, { entry, routes: [...routes] });
  }
  return actions;
}

/** Same key for routes that match the same requests: case and parameter names do not matter. */
function routeKey(route: string): string {
  return route.toLowerCase().replace(/\{\w+\}/g, '{}');
}

export function routesOf(actions: DeclaredActions): RoutePattern[] {
  return [...actions].flatMap(([action, { routes }]) =>
    routes.map((route) => {
      const space = route.indexOf(' ');
      return { method: route.slice(0, space), path: route.slice(space + 1), action };
    }),
  );
}

export function policyOf(entry: ActionEntry, general: ActionPolicy): ActionPolicy {
  const floor = entry.floor ?? general.floor;
  return {
    learn: entry.learn ?? general.learn,
    floor,
    guarded: entry.guarded ?? floor !== 'allow',
    trust: {
      days: entry.trust?.days ?? general.trust.days,
      idleDays: entry.trust?.idle_days ?? general.trust.idleDays,
      onStepUp: entry.trust?.on_step_up ?? general.trust.onStepUp,
      acrValues: entry.trust?.acr_values ?? general.trust.acrValues,
      amrValues: entry.trust?.amr_values ?? general.trust.amrValues,
    },
  };
}
