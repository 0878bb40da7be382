import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_READINGS, MAX_TARGET_LENGTH, pathReadings } from '../../../src/gateway/path.ts';

function readingsOf(target: string): readonly string[] {
  const paths = pathReadings(target);
  if (paths.invalid !== null) throw new Error(`${target} ${paths.why}`);
  return paths.readings;
}

describe('a path without anything that origins dispute has exactly one reading', () => {
  test.each([
    ['/', '/'],
    ['/admin/x', '/admin/x'],
    ['/admin/x/', '/admin/x'],
    ['/ADMIN/X', '/admin/x'],
    ['/admin?x=1', '/admin'],
    ['/admin?next=/public/../x#y', '/admin'],
    ['/%61dmin/x', '/admin/x'],
    ['/admin//x', '/admin/x'],
    ['/./upload/x', '/upload/x'],
    ['/upload/./x', '/upload/x'],
    ['/.//upload/x', '/upload/x'],
    ['/%2e/upload/x', '/upload/x'],
    ['/caf%C3%A9/men%C3%BC', '/café/menü'],
    ['/caf\u00c3\u00a9', '/café'],
    ['/a%20b', '/a b'],
    ['/100%25', '/100%'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
  ])('%s reads as %s', (target, reading) => {
    expect(readingsOf(target)).toEqual([reading]);
  });
});

test('The longest run of dots is read in a moment, however many readings the path has', () => {
  const target = `/a;b/c.\\%2f/${'.'.repeat(7_900)}a`;
  const tries = Array.from({ length: 3 }, () => {
    const startedMs = performance.now();
    expect(readingsOf(target).length).toBeGreaterThan(8);
    return performance.now() - startedMs;
  });
  expect(Math.min(...tries)).toBeLessThan(200);
});

/**
 * @see https://github.com/cisagov/Malcolm/issues/1042
 * @see https://github.com/cisagov/Malcolm/issues/1055
 */
describe('where origins differ every reading is there, the plain one first', () => {
  test.each([
    ['a dot segment', '/public/../admin/users', '/admin/users', '/public/../admin/users'],
    ['a dot segment behind what is guarded', '/admin/../public/x', '/public/x', '/admin/../public/x'],
    ['an encoded dot segment', '/admin/%2e%2e/public', '/public', '/admin/../public'],
    ['a half encoded dot segment', '/admin/.%2e/public', '/public', '/admin/../public'],
    ['a dot segment in place of a parameter', '/users/../delete', '/delete', '/users/../delete'],
    ['more dot segments than there are others', '/../../admin', '/admin', '/../../admin'],
    ['an encoded slash', '/public/..%2fadmin/users', '/public/..%2fadmin/users', '/admin/users'],
    ['a backslash', '/public/..\\admin', '/public/..\\admin', '/admin'],
    ['an encoded backslash', '/public/..%5Cadmin', '/public/..\\admin', '/admin'],
    ['a second encoding', '/public/%252e%252e/admin', '/public/%2e%2e/admin', '/admin'],
    ['a third encoding', '/public/%25252e%25252e/admin', '/public/%252e%252e/admin', '/admin'],
    ['a second encoding of a slash', '/public/..%252fadmin', '/public/..%2fadmin', '/admin'],
    ['a parameter on a dot segment', '/public/..;/admin/users', '/public/..;/admin/users', '/admin/users'],
    ['a parameter with a value', '/admin;x=1/users', '/admin;x=1/users', '/admin/users'],
    ['an encoded question mark', '/admin%3f/../public', '/public', '/admin'],
    ['a raw fragment', '/public#/../admin', '/public', '/admin'],
    ['dot segments beside doubled slashes', '/admin//../x', '/x', '/admin/x'],
    ['a format', '/api/transfers.json', '/api/transfers.json', '/api/transfers'],
    ['a format before a trailing slash', '/api/transfers.json/', '/api/transfers.json', '/api/transfers'],
    ['a format before a parameter', '/api/transfers.json;v=1', '/api/transfers.json;v=1', '/api/transfers'],
    ['a format with an encoded dot', '/api/transfers%2Ejson', '/api/transfers.json', '/api/transfers'],
    ['two formats', '/api/transfers.tar.gz', '/api/transfers.tar.gz', '/api/transfers'],
    ['a format of the root', '/.json', '/.json', '/'],
    ['a dot at the end', '/api/transfers.', '/api/transfers.', '/api/transfers'],
    ['a dot at the end of a folder', '/admin./users', '/admin./users', '/admin/users'],
    ['a blank at the end', '/admin%20/users', '/admin /users', '/admin/users'],
    ['a long s', '/api/pa%C5%BFsword', '/api/pa\u017fsword', '/api/password'],
    ['a Kelvin sign', '/%E2%84%AAey', '/key', '/key'],
    ['a full-width letter', '/api/%EF%BD%90assword', '/api/\uff50assword', '/api/password'],
    ['a dotless i', '/adm%C4%B1n', '/adm\u0131n', '/admin'],
    ['a dotted capital I', '/adm%C4%B0n', '/admi\u0307n', '/admin'],
    ['a ligature', '/o%EF%AC%83ce', '/o\ufb03ce', '/office'],
    ['a sharp s', '/pa%C3%9Fword', '/pa\u00dfword', '/password'],
    ['an invisible character', '/ad%C2%ADmin', '/ad\u00admin', '/admin'],
    ['a full-width slash', '/x%EF%BC%8Fadmin', '/x\uff0fadmin', '/x/admin'],
    ['a front controller', '/index.php/api/transfers', '/index.php/api/transfers', '/api/transfers'],
    ['a front controller below a base', '/shop/app.php/api/pay', '/shop/app.php/api/pay', '/shop/api/pay'],
    ['a front controller, encoded', '/index%2Ephp%2Fapi/pay', '/index.php%2fapi/pay', '/api/pay'],
    ['a front controller with a parameter', '/index.php;a=b/api/pay', '/index.php;a=b/api/pay', '/api/pay'],
    ['what follows a script', '/transfers.php/a/b', '/transfers.php/a/b', '/transfers.php'],
    ['what follows a script, and its format', '/api/transfers.php/x', '/api/transfers.php/x', '/api/transfers'],
    ['the index of a directory', '/admin/index.html', '/admin/index.html', '/admin'],
    ['a default document', '/admin/Default.aspx', '/admin/default.aspx', '/admin'],
    ['the index action of a controller', '/transfers/Index', '/transfers/index', '/transfers'],
    ['a session in the path', '/(S(abc))/api/transfers', '/(s(abc))/api/transfers', '/api/transfers'],
    ['several sessions in the path', '/api/(A(x)F(y))/transfers', '/api/(a(x)f(y))/transfers', '/api/transfers'],
    ['a one-dot leader as a format', '/admin%E2%80%A4json', '/admin\u2024json', '/admin'],
    ['two slashes at the front', '//public/admin/x', '/public/admin/x', '/admin/x'],
    ['a slash and a backslash at the front', '/\\public/admin/x', '/\\public/admin/x', '/admin/x'],
  ])('%s', (_, target, plain, other) => {
    const readings = readingsOf(target);
    expect(readings[0]).toBe(plain);
    expect(readings).toContain(other);
  });

  test.each([
    ['/files/a;v=1%2F2', '/files/a;v=1%2f2', '/files/a;v=1/2', '/files/a', '/files/a/2'],
    ['/files/C:\\a/b;v=1', '/files/c:\\a/b;v=1', '/files/c:/a/b;v=1', '/files/c:\\a/b', '/files/c:/a/b'],
  ])('Several of them where nothing leads up: %s', (target, ...readings) => {
    expect(readingsOf(target)).toEqual(expect.arrayContaining(readings));
  });

  test('An encoded slash that belongs to a segment keeps the segment whole', () => {
    expect(readingsOf('/files/a%2Fb')).toEqual(['/files/a%2fb', '/files/a/b']);
  });
});

describe('what cannot be read safely is refused as path_invalid', () => {
  test.each([
    ['an encoded NUL', '/admin%00/x'],
    ['a doubly encoded NUL', '/admin%2500/x'],
    ['an encoded line feed', '/admin%0a'],
    ['a raw control character', '/admin\t/x'],
    ['a raw blank, as two joined header lines have it', '/public, /admin'],
    ['a blank in the query', '/public?x=1, /admin'],
    ['a lone percent sign', '/100%'],
    ['a percent sign before no hex', '/%zz'],
    ['an overlong UTF-8 slash', '/public/..%c0%afadmin'],
    ['a cut UTF-8 sequence', '/caf%C3'],
    ['an unpaired surrogate in UTF-8', '/%ED%A0%80'],
    ['a fourth encoding', '/%252525252e'],
    ['a character outside of a byte', '/caf\u20ac'],
    ['no leading slash', 'admin'],
    ['nothing', ''],
    ['an absolute URL', 'https://app.example/admin'],
    ['an asterisk', '*'],
    ['too many characters', `/${'a'.repeat(MAX_TARGET_LENGTH)}`],
    ['a way up that a servlet container takes to another end', '/api/%2e%2e%3b/..;a/transfers'],
    ['a way up that is other where dots are resolved before decoding', '/admin/%2e%2e/../open/x'],
    ['a way up behind an encoded separator', '/open%5c..;/%252e%252e/x'],
    ['a way up that is other where backslashes are turned last', '/open/a\\b/../..%5capi'],
    ['a way up that is other where encoded slashes are read last', '/open/a%2fb/../..%2fapi'],
    ['a plain and an encoded semicolon', '/open/;x/%252e%252e\\%2e%2e%3b/./open'],
    ['parameters that end at a backslash or at a slash', '/open/;x/..%5c..;a=b\\open'],
    ['a separator beside parameters that hold another', '/a\\b;x\\y/c'],
    ['a way up spelled in two disputed ways', '/open/%2e%2e\\%252e%252e%5copen'],
    ['a way up behind an encoded question mark', '/open/x%3f/%2e%2e//..%23O'],
    ['a way up where doubled slashes and parameters meet', '/open//..;a=b/.../;x/x/../..//open'],
    ['a way up in full-width dots', '/open/%EF%BC%8E%EF%BC%8E/admin'],
    ['an escape behind a full-width percent sign', '/open%EF%BC%852fadmin'],
    ['more dots than are read', `/a${'.a'.repeat(40)}`],
    ['too many disputed parts at once', '//a\\b;c%252f%2f%255c%253f/..//../x#y'],
  ])('%s', (_, target) => {
    expect(pathReadings(target)).toMatchObject({ invalid: 'path_invalid', why: expect.any(String) });
  });
});

const hex = (code: number): string => `%${code.toString(16).padStart(2, '0')}`;

/** One spelling of a character: itself, in the other case, or encoded once or twice. */
function spelled(char: string): fc.Arbitrary<string> {
  const code = char.charCodeAt(0);
  return fc.constantFrom(char, char.toUpperCase(), hex(code), hex(code).toUpperCase(), hex(code).replace('%', '%25'));
}

const slash = fc.constantFrom(
  '/',
  '//',
  '/./',
  '/x/../',
  '%2f',
  '/x%2f..%2F',
  '\\',
  '%5c',
  '/x/..;/',
  ';a=b/',
  '/%2e/',
);

const spellingOfAdminX = fc
  .tuple(...[...'admin'].map(spelled), slash, spelled('x'), fc.constantFrom('', '/', '?q=1', '#f', ';p', '/.'))
  .map((parts) => `/${parts.join('')}`);

describe('for any target', () => {
  test('Nothing is thrown, and no more than the bound comes back', () => {
    const piece = fc.constantFrom(
      '/',
      '..',
      '.',
      ';',
      '\\',
      '%2f',
      '%252f',
      '%5c',
      '%2e',
      '%25',
      '%',
      '#',
      '?',
      'a',
      '\u00e9',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece).map((parts) => `/${parts.join('')}`),
        ),
        (target) => {
          const paths = pathReadings(target);
          if (paths.invalid !== null) return;
          expect(paths.readings.length).toBeGreaterThan(0);
          expect(paths.readings.length).toBeLessThanOrEqual(MAX_READINGS);
          expect(new Set(paths.readings).size).toBe(paths.readings.length);
          for (const reading of paths.readings) expect(reading).toMatch(/^\/(?!.*\/\/)(?:.*[^/])?$/su);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('The first reading holds no dot segment, and one without disputed parts is its own only reading', () => {
    const piece = fc.constantFrom('/', '..', '.', ';', '%2f', '%5c', '%2e', 'a', 'B', 'c-d', '%61');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (parts) => {
        const paths = pathReadings(`/${parts.join('')}`);
        if (paths.invalid !== null) return;
        expect(paths.readings[0]?.split('/')).not.toContain('..');
        for (const reading of paths.readings) {
          expect(reading.split('/')).not.toContain('.');
          if (!/[%\\;?#.]/.test(reading)) expect(readingsOf(reading)).toEqual([reading]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('Every spelling of /admin/x has the reading /admin/x', () => {
    let read = 0;
    fc.assert(
      fc.property(spellingOfAdminX, (target) => {
        const paths = pathReadings(target);
        if (paths.invalid !== null) return;
        read++;
        expect(paths.readings.some((reading) => /^\/admin\/x(?:;p)?$/.test(reading))).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(2500);
  });

  test('The longest target is read in bounded work', () => {
    for (const unit of ['%2f', '..;/', '\\', '%252e', '//', 'a/']) {
      const target = `/${unit.repeat(Math.floor((MAX_TARGET_LENGTH - 1) / unit.length))}`;
      const paths = pathReadings(target);
      if (paths.invalid === null) expect(paths.readings.length).toBeLessThanOrEqual(MAX_READINGS);
    }
  });
});
