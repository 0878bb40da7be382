import { html } from 'hono/html';
import type { Product } from './catalogue.ts';

/** A drawing of a product. Its name is next to it, so screen readers skip the drawing. */
export function drawing({ art, hue }: Product): ReturnType<typeof html> {
  return html`<svg class="art hue-${hue}" viewBox="0 0 200 200" aria-hidden="true" focusable="false">${SHAPES[art]}</svg>`;
}

const SHAPES: { readonly [art in Product['art']]: ReturnType<typeof html> } = {
  tin: html`<ellipse class="shadow" cx="100" cy="172" rx="58" ry="7" />
    <rect class="body" x="56" y="62" width="88" height="110" rx="6" />
    <rect class="deep" x="52" y="44" width="96" height="24" rx="5" />
    <rect class="pale" x="56" y="92" width="88" height="52" />
    <path class="deep" d="M100 100c16 8 18 26 0 38c-18-12-16-30 0-38z" />
    <path class="line" d="M100 106v28" />`,
  cup: html`<ellipse class="shadow" cx="100" cy="168" rx="56" ry="7" />
    <path class="body" d="M52 84h96c0 48-14 84-48 84s-48-36-48-84z" />
    <ellipse class="deep" cx="100" cy="84" rx="48" ry="11" />
    <ellipse class="tea" cx="100" cy="86" rx="40" ry="7" />
    <path class="steam" d="M84 66c-8-12 8-16 0-30M104 62c-8-12 8-16 0-30M122 66c-8-12 8-16 0-30" />`,
  pot: html`<ellipse class="shadow" cx="100" cy="170" rx="64" ry="7" />
    <path class="line wide" d="M58 88c0-56 84-56 84 0" />
    <path class="body" d="M46 112c0-22 24-32 54-32s54 10 54 32c0 36-24 58-54 58s-54-22-54-58z" />
    <path class="body" d="M150 116l30-22 6 8-30 42z" />
    <path class="deep" d="M62 86c10-12 66-12 76 0-20 8-56 8-76 0z" />
    <circle class="deep" cx="100" cy="70" r="8" />`,
  kettle: html`<ellipse class="shadow" cx="96" cy="172" rx="60" ry="7" />
    <path class="body" d="M52 82h84l12 88H40z" />
    <path class="line wide" d="M142 142c34 0 14-66 40-78" />
    <path class="line wide" d="M52 96c-44-8-40 58-6 56" />
    <path class="deep" d="M56 82c4-16 72-16 76 0z" />
    <rect class="deep" x="84" y="54" width="20" height="14" rx="6" />`,
  samovar: html`<ellipse class="shadow" cx="100" cy="182" rx="54" ry="6" />
    <path class="deep" d="M70 158h60l12 22H58z" />
    <path class="body" d="M58 66h84c12 34-4 70-22 92H80c-18-22-34-58-22-92z" />
    <path class="deep" d="M64 66c4-14 68-14 72 0z" />
    <rect class="deep" x="90" y="22" width="20" height="32" rx="4" />
    <path class="line wide" d="M54 78c-22 0-22 34 2 34M146 78c22 0 22 34-2 34" />
    <path class="line wide" d="M100 118v24M88 130h24" />`,
};
