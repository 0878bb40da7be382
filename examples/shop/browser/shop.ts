import { collectDevice, stepUpFetch } from '@stepgate/browser';

/**
 * Enhances guarded forms: sends the device, and asks for a step-up in a dialog. Without this script the browser submits the forms,
 * and the shop asks on a page.
 */

const KEPT = 'kept-form';
const dialog = document.querySelector<HTMLDialogElement>('#step-up');

const FAILED = 'This did not work. Nothing was ordered or changed; try again.';
const OUTCOMES: { readonly [status: number]: string } = {
  401: 'You did not confirm, so nothing was ordered or changed.',
  403: 'We cannot do this now: something about this request does not fit what we know of you. Nothing was ordered or changed.',
};

const UNASKED =
  'Your account did not ask you this time, so that this is not confirmed. Nothing was ordered or changed; try again.';

let sending: HTMLFormElement | null = null;
/** Whether the current form is submitted automatically, after a confirmation. */
let resumes = false;

// Started with the page, so that it is ready when a form is sent.
const device = collectDevice({ timeoutMs: 5000 });
const guardedFetch = stepUpFetch({
  collect: () => device,
  onStepUp: ({ acrValues, maxAge, reason }) => {
    // The provider confirmed again without asking; do not loop.
    if (resumes && reason?.startsWith('replayed') === true) throw new Error(UNASKED);
    return ask(acrValues, maxAge);
  },
});

async function send(form: HTMLFormElement): Promise<void> {
  const button = form.querySelector('button');
  if (button === null || button.disabled) return;
  const label = button.textContent;
  button.disabled = true;
  button.textContent = form.dataset.busy ?? label;
  sending = form;
  try {
    const response = await guardedFetch(form.action, {
      method: 'POST',
      headers: { Accept: 'application/json' },
      body: new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)])),
    });
    const answer: { location?: string; message?: string } = await response.json();
    if (response.ok && answer.location !== undefined) {
      // Replaces the entry, so that the back button leads to the basket, not to a submitted form.
      location.replace(answer.location);
      return;
    }
    throw new Error(OUTCOMES[response.status] ?? answer.message ?? FAILED);
  } catch (error) {
    button.disabled = false;
    button.textContent = label;
    showError(form, error);
  }
}

/** Opens a dialog whose form leads to the provider and back to this page; resolves only if the user declines. */
function ask(acrValues: readonly string[], maxAge: number | null): Promise<false> {
  const form = dialog?.querySelector('form');
  if (dialog === null || form == null || sending === null) throw new Error(FAILED);
  set(form, 'acr_values', acrValues.join(' '));
  set(form, 'max_age', maxAge === null ? '' : String(maxAge));
  set(form, 'return_to', sending.dataset.returnTo ?? '/');
  const why = dialog.querySelector('[data-why]');
  if (why !== null) {
    why.textContent =
      'This takes more than a log-in. You are taken to your account, confirm with your passkey or a one-time code, and come back here.';
  }
  const guarded = sending;
  return new Promise((resolve) => {
    form.addEventListener('submit', () => keep(guarded), { once: true });
    dialog.querySelector('[data-cancel]')?.addEventListener('click', () => dialog.close(), { once: true });
    dialog.addEventListener('close', () => resolve(false), { once: true });
    dialog.showModal();
  });
}

function set(form: HTMLFormElement, name: string, value: string): void {
  const field = form.elements.namedItem(name);
  if (field instanceof HTMLInputElement) field.value = value;
}

function showError(form: HTMLFormElement, error: unknown): void {
  const problem = form.querySelector<HTMLElement>('.form-problem');
  if (problem === null) return;
  problem.hidden = false;
  problem.textContent = error instanceof Error ? error.message : FAILED;
  form.querySelector('button')?.focus();
}

/** Restores typed values after the step-up, in this tab only. */
function keep(form: HTMLFormElement): void {
  const fields = [...new FormData(form)].filter((field): field is [string, string] => typeof field[1] === 'string');
  sessionStorage.setItem(KEPT, JSON.stringify(fields));
}

function refill(form: HTMLFormElement): void {
  const fields: [string, string][] = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');
  sessionStorage.removeItem(KEPT);
  for (const [name, value] of fields) set(form, name, value);
}

// A page from the back-forward cache may show items ordered meanwhile.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

for (const form of document.querySelectorAll<HTMLFormElement>('form[data-guarded]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    resumes = false;
    void send(form);
  });
  if (form.dataset.resume !== undefined) {
    refill(form);
    resumes = true;
    void send(form);
  }
}
