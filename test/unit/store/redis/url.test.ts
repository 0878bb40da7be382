import { describe, expect, test } from 'vitest';
import { parseRedisUrl, RedisUrlError } from '../../../../src/store/redis/url.ts';

const nobody = { username: null, password: null };

describe('REDIS_URL', () => {
  test.each([
    [
      'redis://localhost',
      { kind: 'standalone', node: { host: 'localhost', port: 6379 }, database: 0, tls: false, ...nobody },
    ],
    [
      'rediss://cache.example:6390/2',
      { kind: 'standalone', node: { host: 'cache.example', port: 6390 }, database: 2, tls: true, ...nobody },
    ],
    [
      'redis://[::1]:7000',
      { kind: 'standalone', node: { host: '::1', port: 7000 }, database: 0, tls: false, ...nobody },
    ],
    [
      'redis://:p%40ss@h',
      {
        kind: 'standalone',
        node: { host: 'h', port: 6379 },
        database: 0,
        tls: false,
        username: null,
        password: 'p@ss',
      },
    ],
    [
      'redis://user:p%2Cw@h',
      {
        kind: 'standalone',
        node: { host: 'h', port: 6379 },
        database: 0,
        tls: false,
        username: 'user',
        password: 'p,w',
      },
    ],
  ])('%s is one server', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  test.each([
    [
      'redis://a:1,b:2,c',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 6379 },
      ],
    ],
    [
      'redis://a:1,redis://b:2',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    ],
    ['redis+cluster://a', [{ host: 'a', port: 6379 }]],
  ])('%s is a cluster', (url, nodes) => {
    expect(parseRedisUrl(url)).toEqual({ kind: 'cluster', nodes, tls: false, ...nobody });
  });

  test('The nodes of a cluster may repeat the credentials', () => {
    const nodes = [
      { host: 'a', port: 6379 },
      { host: 'b', port: 6379 },
    ];
    const target = { kind: 'cluster', nodes, tls: true, username: 'u', password: 'p' };
    expect(parseRedisUrl('rediss://u:p@a,b')).toEqual(target);
    expect(parseRedisUrl('rediss://u:p@a,rediss://u:p@b')).toEqual(target);
  });

  test('Sentinels name a master, and their port defaults to 26379', () => {
    expect(parseRedisUrl('redis+sentinel://:secret@a,b:5000/mymaster/3')).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 5000 },
      ],
      master: 'mymaster',
      database: 3,
      tls: false,
      username: null,
      password: 'secret',
    });
  });

  test.each([
    '',
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://:secret@',
    'redis://h:99999',
    'redis://h/zero',
    'redis://h/0/1',
    'redis://a,b/1',
    'redis://a,,b',
    'redis://u:secret@a,redis://u:other@b',
    'redis://u:secret@a,rediss://u:secret@b',
    'redis://:%zzsecret@h',
    'redis+sentinel://a',
    'redis://h?db=1',
    'redis+other://h',
  ])('%j is refused with what is allowed, and without the password', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(RedisUrlError);
    expect(() => parseRedisUrl(url)).toThrow(/Allowed are redis:\/\/host/);
    expect(() => parseRedisUrl(url)).not.toThrow(/secret/);
  });
});
