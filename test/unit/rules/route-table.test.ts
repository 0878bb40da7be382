import { describe, expect, test } from 'vitest';
import { pathReadings } from '../../../src/gateway/path.ts';
import { DEFAULT_ACTION } from '../../../src/rules/actions.ts';
import { compileRoutes, normaliseMethod, openMethods } from '../../../src/rules/route-table.ts';
import type { RoutePattern } from '../../../src/rules/ruleset.ts';

/** `POST /api/pay pay` as a route. */
function routes(...lines: string[]): RoutePattern[] {
  return lines.map((line) => {
    const [method = '', path = '', action = ''] = line.split(' ');
    return { method, path, action };
  });
}

function actionsOf(table: RoutePattern[], method: string | null, target: string): readonly string[] {
  const paths = pathReadings(target);
  if (paths.invalid !== null) throw new Error(paths.why);
  return [
    ...new Set(
      compileRoutes(table)
        .match(normaliseMethod(method), paths.readings)
        .map(({ action }) => action),
    ),
  ].sort();
}

describe('a route', () => {
  const table = routes(
    'POST /api/transfers transfer',
    'POST /api/transfers/{id}/confirm confirm',
    'GET /reports/* report',
    '* /Admin/* admin',
    'GET / home',
  );

  test.each([
    ['POST', '/api/transfers', ['transfer']],
    ['POST', '/api/transfers/', ['transfer']],
    ['POST', '/API/Transfers?x=1', ['transfer']],
    ['POST', '/api/transfers/42/confirm', ['confirm']],
    ['POST', '/api/transfers/4/2/confirm', [DEFAULT_ACTION]],
    ['POST', '/api/transfers/confirm', [DEFAULT_ACTION]],
    ['DELETE', '/admin', ['admin']],
    ['DELETE', '/admin/', ['admin']],
    ['GET', '/admin/users/1', ['admin']],
    ['GET', '/administrator', [DEFAULT_ACTION]],
    ['GET', '/', ['home']],
    ['GET', '/other', [DEFAULT_ACTION]],
  ])('%s %s is %j', (method, target, actions) => {
    expect(actionsOf(table, method, target)).toEqual(actions);
  });

  /** @see https://github.com/NVIDIA/OpenShell/issues/1357 */
  test('A route for GET covers HEAD and any letter case of a method, and leaves other methods to the default', () => {
    expect(actionsOf(table, 'HEAD', '/reports/1')).toEqual(['report']);
    expect(actionsOf(table, 'get', '/reports/1')).toEqual(['report']);
    expect(actionsOf(table, 'PROPFIND', '/reports/1')).toEqual([DEFAULT_ACTION]);
  });

  /** @see https://github.com/cisagov/Malcolm/issues/1042 */
  test.each([
    '/public/../admin/users',
    '/public/%2e%2e/admin/users',
    '/public/..%2fadmin/users',
    '/public/.%2e/admin',
    '/public/..;/admin/users',
    '/public/..\\admin',
    '/%61dmin/x',
    '//admin/x',
    '/admin//x',
    '/ADMIN/x',
    '/admin/x/',
    '/admin?x=1',
    '/admin/x#f',
    '/admin;v=1',
    '/public/%252e%252e/admin',
  ])('A route is reached by the spelling %s', (target) => {
    expect(actionsOf(table, 'GET', target)).toContain('admin');
  });

  test('A route that only one of several readings reaches stands beside the default of the others', () => {
    expect(actionsOf(table, 'GET', '/public/..%2fadmin')).toEqual(['admin', DEFAULT_ACTION]);
  });

  test('A route does not hide a wider one: all that match are candidates', () => {
    const overlapping = routes('GET /api/public catalogue', '* /api/* api', 'GET /{any}/public wild');
    expect(actionsOf(overlapping, 'GET', '/api/public')).toEqual(['api', 'catalogue', 'wild']);
  });
});

describe('what the gateway did not tell', () => {
  const table = routes('POST /api/pay pay', 'PUT /api/pay pay', 'GET /api/pay look', '* /admin/* admin');

  /** @see https://github.com/dadrus/heimdall/issues/709 */
  test('A missing method fits every route of the path', () => {
    expect(actionsOf(table, null, '/api/pay')).toEqual(['look', 'pay', DEFAULT_ACTION]);
  });

  test('A method that is no token counts as missing', () => {
    for (const method of ['OPTIONS, POST', 'GE T', '', 'G\u00c9T', 'a'.repeat(33)])
      expect(normaliseMethod(method)).toBeNull();
    expect(normaliseMethod('patch')).toBe('PATCH');
  });

  test('Without any route everything is the default action', () => {
    expect(actionsOf([], null, '/x')).toEqual([DEFAULT_ACTION]);
    expect(actionsOf([], 'GET', '/x')).toEqual([DEFAULT_ACTION]);
  });
});

describe('openMethods', () => {
  test('openMethods names paths that are guarded for some methods and open for the rest', () => {
    const table = routes(
      'GET /reports/* report',
      'POST /reports/* report',
      '* /admin/* admin',
      'GET /admin/users users',
    );
    expect(openMethods(table)).toEqual([{ path: '/reports/*', methods: ['GET', 'POST'] }]);
  });

  test('openMethods does not take a route for one level as cover for all below', () => {
    expect(openMethods(routes('GET /a/* a', '* /a/{id} b')).map(({ path }) => path)).toEqual(['/a/*']);
  });
});
