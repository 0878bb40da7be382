import { html } from 'hono/html';
import { ICON, type Theme } from '../theme.ts';

type Html = ReturnType<typeof html>;

/** Shown on every page of a log-in. */
export interface Page {
  /** Path of the log-in; its forms go below it. */
  readonly action: string;
  readonly problem: string | null;
  readonly theme: Theme;
  /** The user's, once known. */
  readonly name: string | null;
  /** The client that started the log-in. */
  readonly client: string;
}

export function passwordPage(page: Page): Html {
  return frame(
    page,
    'Log in',
    html`<p>to continue to ${page.client}</p>
      ${problemOf(page)}
      <form method="post" action="${page.action}/password">
        <label for="user_name">Name</label>
        <input id="user_name" name="user_name" autocomplete="username" autocapitalize="none" required autofocus />
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required />
        <button class="primary">Log in</button>
      </form>`,
  );
}

export function factorPage(
  page: Page,
  { hasPasskey, onlyPasskey }: { readonly hasPasskey: boolean; readonly onlyPasskey: boolean },
): Html {
  return frame(
    page,
    'Confirm that it is you',
    html`<p>${page.client} asks for it before you continue. You are logged in as <strong>${page.name}</strong>.</p>
      ${problemOf(page)}
      <p class="problem" role="alert" data-ceremony-problem hidden></p>
      ${
        hasPasskey
          ? html`<div data-needs-script hidden>
                <button class="primary" data-passkey="${page.action}/passkey">Use your passkey</button>
              </div>
              <noscript><p class="note">A passkey needs JavaScript, which this browser has switched off.</p></noscript>`
          : html`<p class="note">You have no passkey yet. Confirm with a code this time; you can make a passkey after it.</p>`
      }
      ${
        onlyPasskey
          ? html`<p class="note">Only a passkey is strong enough for this.</p>`
          : html`<form method="post" action="${page.action}/code/send">
              <button class="${hasPasskey ? 'secondary' : 'primary'}">Send me a one-time code</button>
            </form>`
      }`,
  );
}

export function codePage(page: Page, email: string): Html {
  return frame(
    page,
    'Enter the code',
    html`<p>A code of six digits was sent to <strong class="whole">${masked(email)}</strong>. It is good for five minutes.</p>
      ${problemOf(page)}
      <form method="post" action="${page.action}/code">
        <label for="code">One-time code</label>
        <input
          id="code"
          name="code"
          class="code"
          inputmode="numeric"
          autocomplete="one-time-code"
          pattern="[0-9 ]{6,9}"
          required
          autofocus
        />
        <button class="primary">Confirm</button>
      </form>
      <form method="post" action="${page.action}/code/send"><button class="link">Send another code</button></form>`,
  );
}

export function enrolPage(page: Page): Html {
  return frame(
    page,
    'Make it quicker next time',
    html`<p>
        With a passkey you confirm by fingerprint, face or PIN, and no copy of this page can trick you into giving it away.
      </p>
      <p class="problem" role="alert" data-ceremony-problem hidden></p>
      <div data-needs-script hidden>
        <button class="primary" data-enrol="${page.action}/enrol">Make a passkey</button>
      </div>
      <form method="post" action="${page.action}/enrol/skip"><button class="secondary">Not now</button></form>`,
  );
}

/** A page without a log-in in progress. */
export function trustedHtml(title: string, text: string, shopOrigin: string, theme: Theme): Html {
  return document(
    theme,
    title,
    html`<h1>${title}</h1>
    <p>${text}</p>
    <p><a href="${shopOrigin}/">Back to the shop</a></p>`,
  );
}

function frame(page: Page, title: string, body: Html): Html {
  return document(
    page.theme,
    title,
    html`<h1>${title}</h1>
      ${body}
      <form method="post" action="${page.action}/cancel" class="cancel">
        <button class="link" formnovalidate>Cancel and go back to the shop</button>
      </form>`,
  );
}

function document(theme: Theme, title: string, body: Html): Html {
  return html`<!doctype html>
    <html lang="en" ${theme === null ? '' : html`data-theme="${theme}"`}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Kettle &amp; Leaf account</title>
        <link rel="icon" href="${ICON}" />
        <link rel="stylesheet" href="/assets/site.css" />
        <script type="module" src="/assets/sign-in.js"></script>
      </head>
      <body class="provider">
        <main class="card" id="main">
          <p class="brand" aria-hidden="true">Kettle &amp; Leaf <span>account</span></p>
          ${body}
        </main>
      </body>
    </html>`;
}

function problemOf({ problem }: Page): Html | '' {
  return problem === null ? '' : html`<p class="problem" role="alert">${problem}</p>`;
}

/** Enough to recognise one's own address, too little to learn it. */
function masked(email: string): string {
  const [name = '', host = ''] = email.split('@');
  return `${name.slice(0, 1)}…@${host}`;
}
