import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pathReadings } from '../../../src/gateway/path.ts';
import { compileRoutes } from '../../../src/rules/route-table.ts';
import { pathsOf, servedBy, unresolvedPathsOf } from '../../support/hostile/origins.ts';
import { hostileTarget } from '../../support/hostile/requests.ts';

/** Another one is another attack. */
const SEED = 20_261_125;

const routes = compileRoutes([
  { method: 'GET', path: '/open/*', action: 'open' },
  { method: 'GET', path: '/open/admin/*', action: 'admin' },
  { method: 'GET', path: '/open/x/*', action: 'admin' },
]);

/** Whether nothing but the open route is seen in it. */
function isTakenForOpen(target: string): boolean {
  const paths = pathReadings(target);
  return paths.invalid === null && routes.match('GET', paths.readings).every(({ action }) => action === 'open');
}

const GUARDED = /^\/open\/(?:admin|x)(?:\/|$)/;

/** What some chain of servers reaches by this target, though it is not open. */
function reachedBeyond(target: string): string | undefined {
  return (
    [...pathsOf(target)].find((path) => !/^\/open(?:\/|$)/.test(path) || GUARDED.test(path)) ??
    [...unresolvedPathsOf(target)].find((path) => GUARDED.test(path))
  );
}

test('No target is taken for the open route alone that some chain of servers reads as another', () => {
  const taken = fc.sample(hostileTarget, { seed: SEED, numRuns: 20_000 }).filter(isTakenForOpen);
  expect(taken.length).toBeGreaterThan(500);
  expect(taken.filter((target) => reachedBeyond(target) !== undefined)).toEqual([]);
});

test('No target is taken for the open route alone behind which a server finds something else, by a script, an index or a session in the path', () => {
  const piece = fc.constantFrom(
    ...['/index.php', '/x.php', '/a.cgi', '/(S(x))', '/index', '/index.html', '/Default.aspx', '/admin', '/x', '/open'],
    ...['/..', '/%2e%2e', '%2f', '%5c', '/', ';a=b', '%3b', '.', '/.', '%2Ephp', '/%69ndex.php'],
  );
  const implied = fc.array(piece, { minLength: 2, maxLength: 6 }).map((pieces) => `/open${pieces.join('')}`);
  const taken = fc.sample(implied, { seed: SEED, numRuns: 20_000 }).filter(isTakenForOpen);
  expect(taken.length).toBeGreaterThan(500);
  const missed = taken.filter((target) =>
    [...pathsOf(target)].flatMap(servedBy).some((path) => !/^\/open(?:\/|$)/.test(path) || GUARDED.test(path)),
  );
  expect(missed).toEqual([]);
});

describe('the chains that are followed', () => {
  test.each([
    ['/open/../admin', '/admin'],
    ['/open/%2e%2e%2fadmin', '/admin'],
    ['/open/%252e%252e/admin', '/admin'],
    ['/open\\..\\admin', '/admin'],
    ['/open/..;a=b/admin', '/admin'],
    ['/open/;x/..%5c..;a=b\\open', '/'],
    ['//evil.example/admin', '/admin'],
    ['/open/%3b/../..', '/'],
  ])('The chains that are followed lead from %s to %s', (target, path) => {
    expect(pathsOf(target)).toContain(path);
  });

  test('The chains that are followed lead nowhere else from a plain path', () => {
    expect([...pathsOf('/open/a.b/c?x=/../..')]).toEqual(['/open/a.b/c']);
  });
});
