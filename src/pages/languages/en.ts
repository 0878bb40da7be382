import type { PageWords } from '../words.ts';

export const english: PageWords = {
  tag: 'en',
  pages: {
    denied: {
      title: 'This is not possible',
      text: 'Your request was refused, and nothing was changed. If you need help, give the support desk the reference below.',
    },
    step_up: {
      title: 'Please confirm that it is you',
      text: 'This page needs a fresh confirmation of your identity.',
    },
    posted: {
      title: 'What you entered was not sent',
      text: 'Please confirm that it is you. After that you return to the form and can send it again. Nothing was changed so far.',
    },
    no_session: {
      title: 'Please log in first',
      text: 'You are not logged in, or your session has ended. Log in, then open the page again.',
    },
    expired: {
      title: 'This confirmation is no longer valid',
      text: 'It was started too long ago, in another browser, or it is already finished. Go back to the page you wanted and try again.',
    },
    cancelled: {
      title: 'You did not confirm',
      text: 'The confirmation was cancelled, and nothing was changed.',
    },
    other_person: {
      title: 'Another account was used',
      text: 'You confirmed with a different account from the one you are logged in with. Please use the same account.',
    },
    too_weak: {
      title: 'A stronger confirmation is needed',
      text: 'The way you confirmed is not enough for this page. Try again with a passkey or another stronger method of your account.',
    },
    provider_failed: {
      title: 'The log-in service is not responding',
      text: 'Your identity could not be confirmed. Please try again in a few minutes.',
    },
    too_often: {
      title: 'Too many attempts',
      text: 'The confirmation failed several times. Please wait ten minutes before you try again, or give the support desk the reference below.',
    },
    not_set_up: {
      title: 'This page is not available here',
      text: 'The site is not set up completely. Please give the support desk the reference below.',
    },
  },
  reference: 'Reference',
  links: { confirm: 'Confirm', again: 'Try again', back: 'Go back' },
};
