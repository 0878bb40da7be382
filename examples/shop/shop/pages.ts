import { html } from 'hono/html';
import { ICON, type Theme } from '../theme.ts';
import { drawing } from './art.ts';
import { CATALOGUE, money, type Product, productOf } from './catalogue.ts';
import type { Draft, Session } from './session.ts';

export type Html = ReturnType<typeof html>;

/** Shown on every page. */
export interface Frame {
  readonly path: string;
  readonly theme: Theme;
  readonly user: Session['user'];
  readonly pieces: number;
  readonly notice: Session['notice'];
}

/** One placed order. */
export interface Order extends Pick<Draft, 'lines' | 'total'> {
  readonly number: string;
  readonly customer: string;
  readonly placedMs: number;
}

/** A device as its owner sees it. */
export interface DeviceLine {
  readonly id: string;
  readonly client: string | null;
  readonly trusted: boolean;
  readonly trustedUntil: string | null;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly isThis: boolean;
}

export function framed(frame: Frame, title: string, body: Html): Html {
  const { path, theme, user, pieces, notice } = frame;
  const current = (there: string): Html | '' => (path === there ? html`aria-current="page"` : '');
  return html`<!doctype html>
    <html lang="en" ${theme === null ? '' : html`data-theme="${theme}"`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Kettle &amp; Leaf</title>
        <link rel="icon" href="${ICON}" />
        <link rel="stylesheet" href="/assets/site.css" />
        <script type="module" src="/assets/shop.js"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <a class="wordmark" href="/" ${current('/')}>Kettle <span>&amp;</span> Leaf</a>
          <nav aria-label="Shop">
            ${
              user === null
                ? html`<a href="/log-in?return_to=${encodeURIComponent(path)}">Log in</a>`
                : html`<a href="/account" ${current('/account')}>${user.name}</a>
                    ${user.isAdministrator ? html`<a href="/admin/orders" ${current('/admin/orders')}>All orders</a>` : ''}`
            }
            <a class="basket-link" href="/basket" ${current('/basket')}
              >Basket<span class="count">${pieces}<span class="sr"> ${pieces === 1 ? 'piece' : 'pieces'}</span></span></a
            >
          </nav>
          <form method="post" action="/theme" class="theme">
            <input type="hidden" name="return_to" value="${path}" />
            <button name="theme" value="light" aria-label="Light colours" ${pressed(theme === 'light')}>☀</button>
            <button name="theme" value="dark" aria-label="Dark colours" ${pressed(theme === 'dark')}>☾</button>
            <button name="theme" value="" aria-label="Colours of the system" ${pressed(theme === null)}>◐</button>
          </form>
        </header>
        <main id="main" tabindex="-1">
          ${notice === null ? '' : html`<p class="notice ${notice.kind}" role="status">${notice.text}</p>`} ${body}
        </main>
        <footer class="bottom">
          <p>Kettle &amp; Leaf is made up. Nothing is charged and nothing is sent.</p>
        </footer>
      </body>
    </html>`;
}

function pressed(is: boolean): Html {
  return is ? html`aria-pressed="true"` : html`aria-pressed="false"`;
}

export function cataloguePage(): Html {
  return html`<section class="hero">
      <h1>Tea for people who let the kettle decide the pace.</h1>
      <p>Seven things, chosen slowly. Free delivery, since none of it exists.</p>
    </section>
    <ul class="grid" role="list">
      ${CATALOGUE.map(
        (product) => html`<li class="tile">
          <a href="/products/${product.id}">
            ${drawing(product)}
            <span class="name">${product.name}</span>
          </a>
          <p class="line">${product.line}</p>
          <p class="price">${money(product.price)}</p>
          ${addForm(product)}
        </li>`,
      )}
    </ul>`;
}

export function productPage(product: Product): Html {
  return html`<article class="product">
    <div class="stand">${drawing(product)}</div>
    <div>
      <h1>${product.name}</h1>
      <p class="line">${product.line}</p>
      <p>${product.text}</p>
      <p class="price large">${money(product.price)}</p>
      ${addForm(product)}
      <p><a href="/">All seven things</a></p>
    </div>
  </article>`;
}

function addForm(product: Product): Html {
  return html`<form method="post" action="/basket/add">
    <input type="hidden" name="product" value="${product.id}" />
    <button class="secondary">Add<span class="sr"> ${product.name}</span> to the basket</button>
  </form>`;
}

export function basketPage(basket: Session['basket'], user: Session['user']): Html {
  const lines = [...basket].flatMap(([id, pieces]) => {
    const product = productOf(id);
    return product === null ? [] : [{ product, pieces }];
  });
  if (lines.length === 0) {
    return html`<h1>Your basket</h1>
      <p class="empty">Nothing is in it yet.</p>
      <p><a class="button primary" href="/">Look around</a></p>`;
  }
  const total = lines.reduce((sum, { product, pieces }) => sum + product.price * pieces, 0);
  return html`<h1>Your basket</h1>
    <ul class="lines" role="list">
      ${lines.map(
        ({ product, pieces }) => html`<li>
          ${drawing(product)}
          <div><a href="/products/${product.id}">${product.name}</a><span class="line">${money(product.price)} each</span></div>
          <form method="post" action="/basket/set" class="pieces">
            <input type="hidden" name="product" value="${product.id}" />
            <button name="pieces" value="${pieces - 1}" aria-label="One ${product.name} less">−</button>
            <span>${pieces}</span>
            <button name="pieces" value="${pieces + 1}" aria-label="One ${product.name} more">+</button>
          </form>
          <span class="price">${money(product.price * pieces)}</span>
        </li>`,
      )}
    </ul>
    <p class="total"><span>Total</span> <strong>${money(total)}</strong></p>
    ${
      user === null
        ? html`<p><a class="button primary" href="/log-in?return_to=/basket">Log in to order</a></p>`
        : html`<form method="post" action="/checkout"><button class="primary">To the checkout</button></form>`
    }`;
}

export function checkoutPage(draft: Draft, { resumes }: { readonly resumes: boolean }): Html {
  const path = `/checkout/${draft.id}`;
  return html`<h1>Check your order</h1>
    ${linesOf(draft)}
    <dl class="facts">
      <dt>To</dt>
      <dd>Your address, 1 Quay Street</dd>
      <dt>Paid by</dt>
      <dd>The card on file, ending 4242</dd>
    </dl>
    <form
      method="post"
      action="${path}"
      data-guarded
      data-return-to="${path}"
      ${resumes ? html`data-resume` : ''}
      data-busy="Placing your order…"
    >
      <p class="form-problem" role="alert" hidden></p>
      ${resumes ? html`<p class="note" role="status">You have confirmed that it is you.</p>` : ''}
      <button class="primary large">Place the order for ${money(draft.total)}</button>
    </form>
    <p><a href="/basket">Back to the basket</a></p>
    ${stepUpDialog()}`;
}

/** Filled in and opened by the script when a form needs a step-up. It is a form itself, so that Enter and Escape work. */
function stepUpDialog(): Html {
  return html`<dialog id="step-up" aria-labelledby="step-up-title">
    <h2 id="step-up-title">Confirm that it is you</h2>
    <p data-why></p>
    <form method="post" action="/step-up">
      <input type="hidden" name="acr_values" />
      <input type="hidden" name="max_age" />
      <input type="hidden" name="return_to" />
      <div class="row">
        <button class="primary" autofocus>Continue</button>
        <button type="button" class="secondary" data-cancel>Not now</button>
      </div>
    </form>
  </dialog>`;
}

/** The same question as a page, for browsers without the script. */
export function confirmPage(asked: {
  readonly acrValues: string;
  readonly maxAge: string;
  readonly returnTo: string;
}): Html {
  return html`<section class="narrow">
    <h1>Confirm that it is you</h1>
    <p>
      This step needs more than a log-in. You are taken to your account, confirm with your passkey or a one-time code, and come
      back to where you are.
    </p>
    <form method="post" action="/step-up">
      <input type="hidden" name="acr_values" value="${asked.acrValues}" />
      <input type="hidden" name="max_age" value="${asked.maxAge}" />
      <input type="hidden" name="return_to" value="${asked.returnTo}" />
      <div class="row">
        <button class="primary">Continue</button>
        <a class="button secondary" href="${asked.returnTo.startsWith('/admin') ? '/account' : asked.returnTo}">Not now</a>
      </div>
    </form>
  </section>`;
}

export function deniedPage(): Html {
  return html`<section class="narrow">
    <h1>We cannot do this now</h1>
    <p>
      Something about this request does not fit what we know of you, and no confirmation would change that. Nothing was
      ordered or changed. If it was you, write to help@kettle.example or try again from where you usually are.
    </p>
    <p><a class="button secondary" href="/basket">Back to the basket</a></p>
  </section>`;
}

export function orderPage(order: Order): Html {
  return html`<section class="placed">
    <svg class="tick" viewBox="0 0 48 48" aria-hidden="true"><path d="M10 25l9 10 19-23" /></svg>
    <h1>Thank you. It is ordered.</h1>
    <p>Order <strong>${order.number}</strong>, placed <time datetime="${iso(order.placedMs)}">${day(order.placedMs)}</time>.</p>
    ${linesOf(order)}
    <p class="row">
      <a class="button primary" href="/">Go on browsing</a>
      <a class="button secondary" href="/account/devices">Your devices</a>
    </p>
  </section>`;
}

function linesOf({ lines, total }: Pick<Draft, 'lines' | 'total'>): Html {
  return html`<table class="order">
    <caption class="sr">What is ordered</caption>
    <thead class="sr">
      <tr>
        <th scope="col">Product</th>
        <th scope="col">Pieces</th>
        <th scope="col">Price</th>
      </tr>
    </thead>
    <tbody>
      ${lines.map(
        ({ product, pieces, price }) => html`<tr>
          <td>${productOf(product)?.name ?? product}</td>
          <td>${pieces} ×</td>
          <td>${money(price * pieces)}</td>
        </tr>`,
      )}
    </tbody>
    <tfoot>
      <tr>
        <th scope="row" colspan="2">Total</th>
        <td>${money(total)}</td>
      </tr>
    </tfoot>
  </table>`;
}

export function accountPage(account: {
  readonly name: string;
  readonly email: string;
  readonly resumes: boolean;
  readonly orders: readonly Order[];
}): Html {
  const { name, email, resumes, orders } = account;
  return html`<h1>${name}</h1>
    <div class="columns">
      <section>
        <h2>E-mail</h2>
        <p>Messages go to <strong>${email}</strong>.</p>
        <form
          method="post"
          action="/account/email"
          data-guarded
          data-return-to="/account"
          ${resumes ? html`data-resume` : ''}
          data-busy="Changing it…"
        >
          <p class="form-problem" role="alert" hidden></p>
          <label for="email">New address</label>
          <input id="email" name="email" type="email" autocomplete="email" required />
          <button class="secondary">Change it</button>
        </form>
      </section>
      <section>
        <h2>Orders</h2>
        ${
          orders.length === 0
            ? html`<p class="empty">None yet.</p>`
            : html`<ul class="plain" role="list">
                ${orders.map(
                  (order) => html`<li>
                    <a href="/orders/${order.number}">${order.number}</a>
                    <span>${day(order.placedMs)}</span><span>${money(order.total)}</span>
                  </li>`,
                )}
              </ul>`
        }
      </section>
      <section>
        <h2>Devices</h2>
        <p><a href="/account/devices">See where you are trusted</a></p>
        <form method="post" action="/log-out"><button class="link">Log out</button></form>
      </section>
    </div>
    ${stepUpDialog()}`;
}

export function devicesPage(devices: readonly DeviceLine[]): Html {
  return html`<h1>Your devices</h1>
    <p class="lead">
      A device on which you confirmed that it is you is trusted for 30 days: everyday orders go through without asking. Remove
      one that you do not know, or no longer have.
    </p>
    ${
      devices.length === 0
        ? html`<p class="empty">None yet. The first time you confirm an order, its device appears here.</p>`
        : html`<ul class="devices" role="list">
            ${devices.map(
              (device) => html`<li>
                <svg viewBox="0 0 48 48" aria-hidden="true" class="screen"><rect x="6" y="9" width="36" height="24" rx="3" /><path d="M18 40h12M24 33v7" /></svg>
                <div>
                  <h2>${clientName(device.client)}${device.isThis ? html` <span class="tag">this one</span>` : ''}</h2>
                  <p class="line">
                    ${
                      device.trusted
                        ? html`Trusted until ${day(Date.parse(device.trustedUntil ?? device.lastSeen))}`
                        : 'Not trusted'
                    }
                    · last seen <time datetime="${device.lastSeen}">${day(Date.parse(device.lastSeen))}</time>
                  </p>
                </div>
                ${
                  device.trusted
                    ? html`<form method="post" action="/account/devices/${device.id}/remove">
                        <button class="secondary">Remove<span class="sr"> ${clientName(device.client)}</span></button>
                      </form>`
                    : html`<span class="tag quiet">removed</span>`
                }
              </li>`,
            )}
          </ul>`
    }
    <p><a href="/account">Back to your account</a></p>`;
}

/** `chrome/linux` as people say it. */
function clientName(client: string | null): string {
  if (client === null) return 'A device';
  const [browser = '', system = ''] = client.split('/');
  const proper = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return system === '' ? proper(browser) : `${proper(browser)} on ${proper(system)}`;
}

export function adminPage(orders: readonly Order[], nameOf: (subject: string) => string): Html {
  return html`<h1>All orders</h1>
    ${
      orders.length === 0
        ? html`<p class="empty">Nobody has ordered anything yet.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="All orders">
            <table class="wide">
              <thead>
                <tr>
                  <th scope="col">Order</th>
                  <th scope="col">Customer</th>
                  <th scope="col">Placed</th>
                  <th scope="col">Total</th>
                </tr>
              </thead>
              <tbody>
                ${orders.map(
                  (order) => html`<tr>
                    <th scope="row">${order.number}</th>
                    <td>${nameOf(order.customer)}</td>
                    <td>${day(order.placedMs)}</td>
                    <td>${money(order.total)}</td>
                  </tr>`,
                )}
              </tbody>
            </table>
          </div>`
    }`;
}

export function plainPage(title: string, text: string): Html {
  return html`<section class="narrow">
    <h1>${title}</h1>
    <p>${text}</p>
    <p><a class="button secondary" href="/">To the shop</a></p>
  </section>`;
}

const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

function day(ms: number): string {
  return DAY.format(ms);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
