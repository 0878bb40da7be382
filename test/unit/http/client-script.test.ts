import { describe, expect, test } from 'vitest';
import { scene } from '../../support/scene.ts';

const SCRIPTS = { plain: 'var Stepgate = {};', module: 'export {};' };
const { app } = scene({ deps: { clientScripts: SCRIPTS } });

describe('the browser’s client', () => {
  test.each([
    ['/client.js', SCRIPTS.plain],
    ['/client.mjs', SCRIPTS.module],
  ])('The browser’s client is served as %s to pages of any origin, without a key', async (path, text) => {
    const response = await app.request(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(text);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=3600, stale-while-revalidate=86400',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
    });
    expect((await app.request(path, { method: 'HEAD' })).status).toBe(200);
  });

  test('The browser’s client is not sent again to who has it, and its tag changes with it', async () => {
    const { headers } = await app.request('/client.js');
    const etag = headers.get('etag') ?? '';
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const response = await app.request('/client.js', { headers: { 'If-None-Match': tag } });
      expect(response.status).toBe(304);
      expect(await response.text()).toBe('');
      expect(response.headers.get('etag')).toBe(etag);
    }
    expect((await app.request('/client.js', { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
    const newer = scene({ deps: { clientScripts: { ...SCRIPTS, plain: 'newer' } } });
    expect((await newer.app.request('/client.js')).headers.get('etag')).not.toBe(etag);
  });

  test('The browser’s client that was not built says how it is', async () => {
    const response = await scene().app.request('/client.js');
    expect(response.status).toBe(404);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({ code: 'not_found', detail: expect.stringContaining('build:client') });
  });

  test('The browser’s client is only read', async () => {
    const response = await app.request('/client.js', { method: 'POST' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });
});
