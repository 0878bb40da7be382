import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { renderPage } from '../../../src/pages/page.ts';

const PLAIN = { siteName: null, styleSheet: null };
const DENIED = { kind: 'denied', status: 403, reference: 'r-1', links: [] } as const;

describe('a page', () => {
  test('A page says what to do in the language of the browser, with the reference', async () => {
    const { status, headers, body } = await renderPage(DENIED, PLAIN, 'de');
    expect(status).toBe(403);
    expect(headers).toMatchObject({
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Language': 'de',
      Vary: 'Accept, Accept-Language',
    });
    expect(body).toContain('<html lang="de">');
    expect(body).toContain('<h1>Das ist nicht möglich</h1>');
    expect(body).toContain('Referenz: r-1');
  });

  test('A page shows whatever it is given as text', async () => {
    const hostile = '"><script>alert(1)</script>';
    const { body } = await renderPage(
      { ...DENIED, reference: hostile, links: [{ name: 'back', href: `/x${hostile}` }] },
      { siteName: hostile, styleSheet: null },
      'en',
    );
    expect(body).not.toContain('<script');
    expect(body).toContain('&quot;&gt;&lt;script&gt;');
  });

  test('A page loads its own style, that of the site, and nothing else', async () => {
    const own = await renderPage(DENIED, PLAIN, null);
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(own.body) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    expect(own.headers['Content-Security-Policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    const themed = await renderPage(DENIED, { siteName: null, styleSheet: 'https://cdn.shop.example/a.css' }, null);
    expect(themed.headers['Content-Security-Policy']).toContain(`'sha256-${hash}' https://cdn.shop.example;`);
    expect(themed.body).toContain('<link rel="stylesheet" href="https://cdn.shop.example/a.css">');
    const local = await renderPage(DENIED, { siteName: null, styleSheet: '/theme.css' }, null);
    expect(local.headers['Content-Security-Policy']).toContain(`'sha256-${hash}' 'self';`);
  });

  test('A page has no link where there is nowhere to go', async () => {
    expect((await renderPage(DENIED, PLAIN, 'en')).body).not.toContain('<a ');
  });
});
