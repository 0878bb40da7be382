/** Deepest nesting of arrays and objects inside `context`, `properties` and `subject_properties`. */
export const MAX_FREE_NESTING = 8;
/** Characters of a user agent that are looked at; the rest is cut, since the end user's client chooses its length. */
export const MAX_USER_AGENT_LENGTH = 1024;
/** Longest client hint, in characters: no browser sends more than half of it. */
export const MAX_CLIENT_HINT_LENGTH = 512;
/** Longest name of an action, in characters, as all lengths here. */
export const MAX_ACTION_LENGTH = 256;
/** Longest id of a session, and longest fingerprint. */
export const MAX_LINE_LENGTH = 1024;
export const MAX_SUBJECT_TYPE_LENGTH = 256;
/** Most components of one fingerprint. */
export const MAX_COMPONENTS = 64;
export const MAX_COMPONENT_NAME_LENGTH = 64;
export const MAX_COMPONENT_LENGTH = 1024;
/** Longest proof of possession, in characters; a longer one is rejected as malformed. */
export const MAX_POSSESSION_LENGTH = 4096;
export const MAX_DEVICE_TOKEN_LENGTH = 8192;
/** Longest text of an IP address. */
export const MAX_ADDRESS_LENGTH = 64;
