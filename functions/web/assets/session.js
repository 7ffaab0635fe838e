/**
 * Who is signed in. The key is in memory, and in this tab's session storage only if the person asked for it. Signing out
 * forgets it and everything that was read with it.
 */

import { Followed } from './ui.js';

/**
 * @typedef {'submit' | 'coordinator' | 'read' | 'clinician' | 'operator' | 'auditor' | 'admin'} Role
 * @typedef {{ keyId: string, role: Role, study: string, site: string, label?: string }} Holder The study and the site that
 *   the key covers, `*` for all.
 * @typedef {Record<keyof typeof ROLES, boolean> & { configure: boolean, oversee: boolean }} May `oversee`: figures
 *   of everybody.
 * @typedef {{ key: string, who: Holder, may: May }} Session
 */

const KEY = 'vigil.key';

/** The roles that may do what screens differ by. The API decides; a screen does not offer what it would refuse. */
const ROLES = {
  read: ['read', 'clinician', 'admin'],
  attend: ['clinician', 'admin'],
  identify: ['clinician'],
  measure: ['read', 'operator', 'auditor', 'admin'],
  operate: ['operator', 'admin'],
  submit: ['submit', 'coordinator', 'admin'],
  erase: ['admin'],
};

/**
 * The rights of a key. What all studies share is for keys that cover all.
 * @param {Holder} who
 * @returns {May}
 */
function mayOf({ role, study, site }) {
  const all = study === '*' && site === '*';
  const allowed = Object.entries(ROLES).map(([act, roles]) => [act, roles.includes(role)]);
  const may = Object.fromEntries(allowed);
  return { ...may, configure: all && role === 'admin', oversee: all && may.measure };
}

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
 * @param {Holder} who
 * @param {boolean} remember
 */
export function begin(key, who, remember) {
  if (remember) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  ended.set(false);
  session.set({ key, who, may: mayOf(who) });
}

/** @param {boolean} [refused] Whether the server refused the key. */
export function end(refused = false) {
  sessionStorage.removeItem(KEY);
  for (const forget of forgetting) forget();
  ended.set(refused);
  session.set(null);
}
