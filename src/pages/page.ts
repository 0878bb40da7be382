import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { html, raw } from 'hono/html';
import { wordsFor } from './language.ts';
import type { PageKind, PageLinkName } from './words.ts';

/** How the pages look. */
export interface PageSettings {
  /** Name of the site, shown above the title; null shows none. */
  readonly siteName: string | null;
  /** Address of a style sheet that is loaded after the page's own; null loads none. */
  readonly styleSheet: string | null;
}

/** A page for a person. It never says why the rules decided as they did. */
export interface Page {
  readonly kind: PageKind;
  readonly status: number;
  /** The number that the support desk can look up. */
  readonly reference: string;
  /** In the order shown; the first is the one that most people want. */
  readonly links: readonly { readonly name: PageLinkName; readonly href: string }[];
}

/** A page as an answer. */
export interface PageReply {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

const STYLE = `:root{color-scheme:light dark;--accent:#0b5cad;--on-accent:#fff;--text:#1b1f24;--quiet:#57606a;--back:#f6f8fa;--card:#fff;--line:#d0d7de}
@media (prefers-color-scheme:dark){:root{--accent:#6cb6ff;--on-accent:#0d1117;--text:#e6edf3;--quiet:#9aa4af;--back:#0d1117;--card:#161b22;--line:#30363d}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{width:min(100% - 2rem,30rem);margin:2rem 0;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
.site{margin:0 0 .5rem;color:var(--quiet)}h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}p{margin:0 0 1.25rem}
.links{display:flex;flex-wrap:wrap;gap:.75rem;margin:0 0 1.5rem}a{display:inline-block;padding:.6rem 1.1rem;border:1px solid var(--accent);border-radius:.5rem;color:var(--accent);text-decoration:none}
a:first-child{background:var(--accent);color:var(--on-accent)}a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.reference{margin:0;color:var(--quiet);font-size:.875rem;overflow-wrap:anywhere}`;

const STYLE_HASH = `'sha256-${btoa(String.fromCharCode(...sha256(utf8ToBytes(STYLE))))}'`;

/** Renders a page in the language that the browser prefers, without scripts. */
export async function renderPage(
  { kind, status, reference, links }: Page,
  { siteName, styleSheet }: PageSettings,
  acceptLanguage: string | null,
): Promise<PageReply> {
  const words = wordsFor(acceptLanguage);
  const { title, text } = words.pages[kind];
  const body = await html`<!doctype html>
<html lang="${words.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${raw(STYLE)}</style>
${styleSheet === null ? '' : html`<link rel="stylesheet" href="${styleSheet}">`}
</head>
<body>
<main>
${siteName === null ? '' : html`<p class="site">${siteName}</p>`}
<h1>${title}</h1>
<p>${text}</p>
${links.length === 0 ? '' : html`<p class="links">${links.map(({ name, href }) => html`<a href="${href}">${words.links[name]}</a>`)}</p>`}
<p class="reference">${words.reference}: ${reference}</p>
</main>
</body>
</html>
`;
  return {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Language': words.tag,
      'Content-Security-Policy': policyOf(styleSheet),
      'Referrer-Policy': 'no-referrer',
      Vary: 'Accept, Accept-Language',
    },
    body: String(body),
  };
}

function policyOf(styleSheet: string | null): string {
  const source = styleSheet === null ? '' : styleSheet.startsWith('/') ? " 'self'" : ` ${new URL(styleSheet).origin}`;
  return `default-src 'none'; style-src ${STYLE_HASH}${source}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}
