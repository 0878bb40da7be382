import { html } from 'hono/html';
import { ICON, type Theme } from '../theme.ts';

type Html = ReturnType<typeof html>;

/** First page of the demo: what to try. */
export function guidePage(theme: Theme, variant: 'middleware' | 'gateway'): Html {
  return document(
    theme,
    'What to try',
    html`<h1>A shop that asks when it matters</h1>
      <p class="lead">
        Kettle &amp; Leaf lets you browse freely. Before an order, a new e-mail address or a look at everybody’s orders it asks
        Stepgate, and Stepgate asks you to confirm only when something speaks for it.
        ${variant === 'gateway' ? 'Here Caddy asks, in front of the shop (forward auth).' : 'Here the shop itself asks (middleware).'}
      </p>
      <p><a class="button primary large" href="/">Open the shop</a></p>
      <div class="accounts">
        <p><strong>ada</strong> buys tea. Password <code>tea-and-kettles</code></p>
        <p><strong>grace</strong> runs the shop. Password <code>leaves-and-ledgers</code></p>
      </div>
      <ol class="steps">
        <li>
          <h2>Order something</h2>
          <p>
            Fill the basket, log in as ada, place the order. This device is new, so you are asked: take a one-time code, which
            arrives in the inbox of the side panel, and make a passkey when it is offered. The order goes through with the basket
            you had.
          </p>
        </li>
        <li>
          <h2>Order again</h2>
          <p>Nobody asks: the device has become trusted. The copper samovar is too dear for that and asks anyway, each time.</p>
        </li>
        <li>
          <h2>Be stolen from</h2>
          <p>
            In the panel, copy your session to the thief’s browser. It opens in São Paulo: watch the map and the score, and try
            to order. Then put the thief in London as well, or behind Tor, or give them your device token too.
          </p>
        </li>
        <li>
          <h2>Travel yourself</h2>
          <p>Switch your own place to São Paulo and order: you are asked, not refused, since your device speaks for you.</p>
        </li>
        <li>
          <h2>Remove a device</h2>
          <p>Account, devices, remove. The next order asks again.</p>
        </li>
        <li>
          <h2>Run the shop</h2>
          <p>Log in as grace: all orders need a passkey of the last 15 minutes. A code is not enough there.</p>
        </li>
      </ol>`,
  );
}

/** Shown to the thief when the shop asks for a step-up. */
export function stuckPage(theme: Theme): Html {
  return document(
    theme,
    'The thief is stuck',
    html`<h1>Here the thief is stuck</h1>
      <p class="lead">
        The shop wants its customer to confirm, at the identity provider, with a passkey or a code. The thief has your session
        cookie and neither of those.
      </p>
      <p><a class="button secondary" href="/basket">Back to the stolen basket</a></p>`,
  );
}

function document(theme: Theme, title: string, body: Html): Html {
  return html`<!doctype html>
    <html lang="en" ${theme === null ? '' : html`data-theme="${theme}"`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Stepgate demo</title>
        <link rel="icon" href="${ICON}" />
        <link rel="stylesheet" href="/demo/assets/site.css" />
      </head>
      <body class="guide">
        <main id="main">${body}</main>
      </body>
    </html>`;
}
