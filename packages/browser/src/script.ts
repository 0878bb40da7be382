/** The whole client in one file, for pages without a bundler: `/client.js` (global `Stepgate`) and `/client.mjs`. */
export { detectBot } from './bot.ts';
export * from './browser.ts';
export { descopeFlow, descopeLogin } from './descope.ts';
export { oidcPopup, oidcRedirect } from './oidc.ts';
