import {
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
  WebAuthnError,
} from '@simplewebauthn/browser';

/** Where to continue after a ceremony. */
interface Next {
  readonly next: string;
}

/** WebAuthn ceremonies of the log-in pages. Everything else works without a script. */

const problem = document.querySelector<HTMLElement>('[data-ceremony-problem]');

for (const part of document.querySelectorAll<HTMLElement>('[data-needs-script]')) part.hidden = false;

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-passkey]')) {
  const path = button.dataset.passkey ?? '';
  button.addEventListener('click', () =>
    run(button, async () => {
      const optionsJSON = await post<PublicKeyCredentialRequestOptionsJSON>(`${path}/options`);
      return post<Next>(path, await startAuthentication({ optionsJSON }));
    }),
  );
}

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-enrol]')) {
  const path = button.dataset.enrol ?? '';
  button.addEventListener('click', () =>
    run(button, async () => {
      const optionsJSON = await post<PublicKeyCredentialCreationOptionsJSON>(`${path}/options`);
      return post<Next>(path, await startRegistration({ optionsJSON }));
    }),
  );
}

/** `T` is the answer of the provider that serves this script. */
async function post<T>(path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

async function run(button: HTMLButtonElement, ceremony: () => Promise<Next>): Promise<void> {
  button.disabled = true;
  try {
    const { next } = await ceremony();
    location.assign(next);
  } catch (error) {
    button.disabled = false;
    if (problem === null) throw error;
    problem.hidden = false;
    problem.textContent = messageOf(error);
    button.focus();
  }
}

function messageOf(error: unknown): string {
  const isRefused = error instanceof DOMException || error instanceof WebAuthnError;
  if (isRefused && error.name === 'NotAllowedError') return 'It was cancelled or took too long. Try again.';
  return error instanceof Error ? error.message : 'It did not work. Try again.';
}
