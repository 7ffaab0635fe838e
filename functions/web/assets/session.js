/**
 * The session of this tab: the holder of a key, or a person by the session that an identity provider led to. The key (or the session's
 * secret, and what renews it) is in memory, and in this tab's session storage only if the person asked for it. Signing out forgets
 * it and everything that was read with it.
 */

import { Followed } from './ui.js';

/**
 * @typedef {'submit' | 'coordinator' | 'read' | 'clinician' | 'operator' | 'auditor' | 'admin'} Role
 * @typedef {{ role: Role, study: string, site: string }} Grant The study and the site that it covers, `*` for all.
 * @typedef {{ issuer: string, subject: string, name: string }} Person
 * @typedef {Grant & { keyId: string, label?: string, person?: Person, sessionId?: string, grants?: Grant[],
 *   grant?: number }} Holder `grants`: all that the person has; `grant`: the number of the one that is used.
 * @typedef {{ issuer: string, refreshToken?: string, until: number, grant?: number }} Renewal `until`: when the session is over,
 *   by the clock of this computer, milliseconds.
 * @typedef {Record<keyof typeof ROLES, boolean> & { configure: boolean, oversee: boolean }} May `oversee`: figures
 *   of everybody.
 * @typedef {{ key: string, who: Holder, may: May, remember: boolean, renewal?: Renewal }} Session
 * @typedef {keyof import('./text.js').Text['why']} Why Why nobody is signed in.
 */

const KEY = 'vigil.key';
const RENEWAL = 'vigil.renewal';

/** The roles that may do what screens differ by. The API decides; a screen does not offer what it would refuse. */
const ROLES = {
  read: ['read', 'clinician', 'admin'],
  attend: ['clinician', 'admin'],
  identify: ['clinician'],
  measure: ['read', 'operator', 'auditor', 'admin'],
  operate: ['operator', 'admin'],
  submit: ['submit', 'coordinator', 'admin'],
  export: ['clinician', 'admin'],
  erase: ['admin'],
  audit: ['auditor', 'admin'],
  grant: ['admin'],
};

/**
 * The rights of a key or a person. What all studies share is for those that cover all.
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

/** Why nobody is signed in, where there is more to say than "sign in". `detail` is the server's own sentence. */
export const ended = new Followed(/** @type {{ why: Why, detail?: string } | null} */ (null));

/** @type {Array<() => void>} */
const forgetting = [];

/** @param {() => void} forget Is called when the session ends. */
export function onEnd(forget) {
  forgetting.push(forget);
}

/** @type {() => Promise<void>} */
let renew = async () => undefined;

/** @param {() => Promise<void>} how Renews a session that is over, or ends it. */
export function onExpiry(how) {
  renew = how;
}

/** Renews the session if its time is over: a computer may have slept. */
export async function fresh() {
  const renewal = session.value?.renewal;
  if (renewal && Date.now() >= renewal.until) await renew();
}

/**
 * Reads the session that this tab was asked to remember.
 * @returns {{ key: string, renewal?: Renewal } | null}
 */
export function remembered() {
  const key = sessionStorage.getItem(KEY);
  const renewal = sessionStorage.getItem(RENEWAL);
  return key === null ? null : { key, ...(renewal !== null && { renewal: JSON.parse(renewal) }) };
}

/**
 * Signs in, or goes on with another secret or another grant.
 * @param {string} key
 * @param {Holder} who
 * @param {{ remember: boolean, renewal?: Renewal }} how
 */
export function begin(key, who, { remember, renewal }) {
  sessionStorage.removeItem(RENEWAL);
  if (remember) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  if (remember && renewal) sessionStorage.setItem(RENEWAL, JSON.stringify(renewal));
  const before = session.value?.who;
  // This grant may not see what another one has read.
  if (before && scopeOf(before) !== scopeOf(who)) for (const forget of forgetting) forget();
  ended.set(null);
  session.set({ key, who, may: mayOf(who), remember, renewal });
}

/**
 * The role of a holder and what it covers, as one text.
 * @param {Grant} grant
 */
export function scopeOf({ role, study, site }) {
  return `${role} ${study} ${site}`;
}

/**
 * Signs out in this tab.
 * @param {Why} [why] Nothing, if it was the person's own wish.
 * @param {string} [detail]
 */
export function end(why, detail) {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(RENEWAL);
  for (const forget of forgetting) forget();
  ended.set(why ? { why, detail } : null);
  session.set(null);
}
