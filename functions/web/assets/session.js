/**
 * Who is signed in. The key is in memory, and in this tab's session storage only if the person asked for it. Signing out
 * forgets it and everything that was read with it.
 */

import { Followed } from './ui.js';

/**
 * What the key may do, as far as screens differ by it.
 * @typedef {{ read: boolean, attend: boolean, operate: boolean, submit: boolean, configure: boolean }} May
 * @typedef {{ key: string, may: May }} Session
 */

const KEY = 'vigil.key';

/** @type {Followed<Session | null>} */
export const session = new Followed(/** @type {Session | null} */ (null));

/** Why nobody is signed in, if it was not the person's own wish. */
export const ended = new Followed(false);

/** @type {Array<() => void>} */
const forgetting = [];

/** @param {() => void} forget Is called when the session ends. */
export function onEnd(forget) {
  forgetting.push(forget);
}

/** The key that this tab was asked to remember. */
export function remembered() {
  return sessionStorage.getItem(KEY);
}

/**
 * @param {string} key
 * @param {May} may
 * @param {boolean} remember
 */
export function begin(key, may, remember) {
  if (remember) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  ended.set(false);
  session.set({ key, may });
}

/** @param {boolean} [refused] Whether the server refused the key. */
export function end(refused = false) {
  sessionStorage.removeItem(KEY);
  for (const forget of forgetting) forget();
  ended.set(refused);
  session.set(null);
}
