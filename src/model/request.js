/** States of the session credential of a request: what came of whatever an origin may take for the session. */
export const CREDENTIAL_STATES = ['none', 'accepted', 'refused', 'unread', 'ambiguous'];
/** What can have happened to a subject, as an application or identity provider reports it. */
export const EVENT_TYPES = [
  'login.succeeded',
  'login.failed',
  'step_up.succeeded',
  'step_up.failed',
  'session.revoked',
  'credential.changed',
];
