import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pathReadings } from '../../../src/gateway/path.ts';
import { ROUTE_SHAPE, routeProblem } from '../../../src/rules/route.ts';
import { compileRoutes } from '../../../src/rules/route-table.ts';
import { problemsOf } from '../../support/sample-rules.ts';

describe('a route that no request could ever match', () => {
  it.each([
    ['POST /pay/:id', 'POST /pay/{id}'],
    ['POST /pay/:id/confirm', 'POST /pay/{id}/confirm'],
    ['GET /s%65cret', 'GET /secret'],
    ['GET /caf%C3%A9', 'GET /café'],
    ['GET /x/../hidden', 'GET /hidden'],
    ['GET /x/./hidden', 'GET /x/hidden'],
    ['GET /x/%2e%2e/hidden', 'GET /hidden'],
    ['GET /a//b', 'GET /a/b'],
    ['GET /a\\b', 'GET /a/b'],
    ['GET /pay;v=1/x', 'GET /pay/x'],
    ['GET /pay?x=1', 'GET /pay'],
    ['GET /pay#top', 'GET /pay'],
    ['GET /pay/<id>', 'GET /pay/{id}'],
    ['GET /pay/<int:id>', 'GET /pay/{id}'],
    ['GET /pay/{id:int}', 'GET /pay/{id}'],
    ['GET /pay/{id?}', 'GET /pay/{id}'],
    ['GET /pay/:id?', 'GET /pay/{id}'],
    ['GET /pay/:id(\\d+)', null],
    ['GET /pay/[id]', 'GET /pay/{id}'],
    ['GET /pay/{user-id}', 'GET /pay/{user_id}'],
    ['GET /pay/user-{id}', 'GET /pay/{id}'],
    ['GET /a/*/b', 'GET /a/{any}/b'],
    ['GET /a/**', 'GET /a/*'],
    ['GET /a/*rest', 'GET /a/*'],
    ['GET /a/{proxy+}', 'GET /a/*'],
    ['GET /a/(.*)', 'GET /a/*'],
    ['GET /a/[...rest]', 'GET /a/*'],
    ['post /pay', 'POST /pay'],
    ['POTS /pay', 'POST /pay'],
    ['ANY /pay', '* /pay'],
    ['/pay', '* /pay'],
    ['GET https://app.example/pay', 'GET /pay'],
    ['GET /a%20b', 'GET /{any}'],
    ['GET,POST /pay', null],
    ['pay', null],
  ])('%s is refused, and what it would have to be is said', (route, instead) => {
    const [problem, ...others] = problemsOf(JSON.stringify({ actions: { pay: { routes: [route] } }, rules: [] }));
    expect(problem).toMatchObject({ file: 'test.json', path: 'actions.pay.routes[0]', code: 'shape' });
    expect(others).toEqual([]);
    if (instead !== null) expect(problem?.message).toContain(`Write "${instead}"`);
  });
});

it.each([
  'POST /api/transfers/{id}/confirm',
  '* /admin/*',
  'GET /',
  'GET /pay/',
  'PROPFIND /dav/*',
  'PURGE /cache/*',
  'VERSION-CONTROL /dav/*',
  'POST /v1/things/one:cancel',
  'GET /Products(1)',
  'GET /.well-known/x',
  'GET /straße',
  'GET /report.v1',
])('%s is a route', (route) => {
  expect(routeProblem(route)).toBeNull();
});

it('A route that is taken is matched by the path that it writes, whatever it is', () => {
  const piece = fc.constantFrom(
    'a',
    'B',
    '{id}',
    ':x',
    '%41',
    '..',
    '.',
    'c.d',
    ';',
    '*',
    '(',
    '$',
    'é',
    'ß',
    '<y>',
    '\\',
    '~',
    '/',
    '',
    'e:f',
  );
  let taken = 0;
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 2 }), { maxLength: 4 }), (segments) => {
      const path = `/${segments.map((parts) => parts.join('')).join('/')}`;
      if (routeProblem(`GET ${path}`) !== null) return;
      taken++;
      expect(ROUTE_SHAPE.test(`GET ${path}`)).toBe(true);
      const sent = encodeURI(path.replace(/\{\w+\}/g, 'seven').replace(/\*$/, 'x/y'));
      const paths = pathReadings(sent);
      if (paths.invalid !== null) throw new Error(`${sent} ${paths.why}`);
      const matches = compileRoutes([{ method: 'GET', path, action: 'it' }]).match('GET', paths.readings);
      expect(matches.map(({ action }) => action)).toContain('it');
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(100);
});
