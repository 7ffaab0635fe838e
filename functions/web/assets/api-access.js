/** The public API as far as persons, their sessions, keys and looks need it. Knows its paths, like `api.js`. */

import { call, PAGE, parameters, part, Refusal } from './api.js';

/**
 * @typedef {import('./session.js').Grant} Grant
 * @typedef {import('./session.js').Role} Role
 * @typedef {{ issuer: string, label: string, clientId: string, authorizationEndpoint?: string, scope: string,
 *   available?: boolean }} Provider `available` is false where the provider does not answer.
 * @typedef {Grant & { secret: string, sessionId: string, name: string, issuer: string, subject: string, beganAt: string,
 *   expiresAt: string, grant: number, grants: Grant[], refreshToken?: string }} Opened
 * @typedef {{ issuer: string, grant?: number } & ({ code: string, codeVerifier: string, redirectUri: string, nonce: string } |
 *   { refreshToken: string })} Proof What says who a person is.
 * @typedef {Grant & { sessionId: string, issuer: string, subject: string, name: string, beganAt: string,
 *   expiresAt: string }} OpenSession
 * @typedef {Grant & { keyId: string, label: string, prefix: string, owner?: string, createdAt: string, createdBy: string,
 *   byName?: string, createdByName?: string, expiresAt?: string, expired: boolean, lastUsedAt?: string }} Key
 * @typedef {{ at: string, actor: string, byName?: string, role?: string, method: string, path: string, study?: string,
 *   site?: string, subject?: string, id?: string, status: number, reason?: string }} Looked
 * @typedef {{ pseudonym: string, state: 'erasing', left: number }} Erasing
 * @typedef {{ pseudonym: string, study: string, site: string, state: 'erased', erasedAt: string, erasedBy: string,
 *   byName?: string, submissions: number, analyses: number, identity: boolean, reason?: string, disk?: string }} Certificate
 * @typedef {{ study: string, state: 'erasing' | 'erased', beganAt: string, beganBy: string, beganByName?: string, reason: string,
 *   subjects: number, submissions: number, analyses: number, left?: number, erasedAt?: string, disk?: string,
 *   held?: boolean }} StudyErasure
 */

/** Asking a provider, or erasing much, may take so long, milliseconds. */
const LONG = 30000;

/** @returns {Promise<Provider[]>} */
export async function identityProviders() {
  return (await call('GET', '/v1/identity-providers', { key: '' })).providers;
}

/**
 * Begins a session. The secret that is in use is not sent along: it may be over.
 * @param {Proof} proof
 * @returns {Promise<Opened>}
 */
export function openSession(proof) {
  return call('POST', '/v1/sessions', { key: '', body: proof, patience: LONG });
}

/** @param {string} secret Ends the session that has this secret. */
export function closeSession(secret) {
  return call('DELETE', '/v1/sessions/current', { key: secret });
}

/** The most pages of a list that is shown whole. */
const PAGES = 10;

/**
 * All entries of a list, as far as a screen shows them.
 * @param {string} path
 * @param {string} name
 * @returns {Promise<{ entries: any[], more: boolean }>}
 */
async function all(path, name) {
  const entries = [];
  let cursor = '';
  for (let page = 1; ; page += 1) {
    const answer = await call('GET', `${path}${parameters({ cursor, limit: String(PAGE) })}`);
    entries.push(...answer[name]);
    if (!answer.more || page === PAGES) return { entries, more: answer.more };
    cursor = answer.cursor;
  }
}

/** @returns {Promise<{ entries: OpenSession[], more: boolean }>} The sessions that are open. */
export function sessions() {
  return all('/v1/sessions', 'sessions');
}

/**
 * Ends all sessions of a person. What the provider said of the person before now is refused from now on.
 * @param {{ issuer: string, subject: string }} person
 * @param {string} reason
 * @returns {Promise<{ ended: number }>}
 */
export function endSessions({ issuer, subject }, reason) {
  return call('DELETE', '/v1/sessions', { body: { issuer, subject, reason } });
}

/**
 * Ends one session. The person may sign in again.
 * @param {string} session
 * @param {string} reason
 */
export function endSession(session, reason) {
  return call('DELETE', `/v1/sessions/${part(session)}`, { reason });
}

/** @returns {Promise<{ entries: Key[], more: boolean }>} The keys that were created while Vigil ran. */
export function keys() {
  return all('/v1/keys', 'keys');
}

/**
 * Creates a key. Only this answer has its secret.
 * @param {Grant & { label: string, owner?: string, expiresAt?: string }} wish
 * @returns {Promise<Key & { secret: string }>}
 */
export function createKey(wish) {
  return call('POST', '/v1/keys', { body: wish });
}

/** @param {string} id @param {string} reason */
export function withdrawKey(id, reason) {
  return call('DELETE', `/v1/keys/${part(id)}`, { reason });
}

/** The looks of a page. */
const LOOKS = '50';

/**
 * Reads the looks, the newest first.
 * @param {{ study?: string, subject?: string, actor?: string, from?: string, to?: string }} filters
 * @param {string} [cursor]
 * @returns {Promise<{ looks: Looked[], cursor: string | null, more: boolean }>}
 */
export function looks(filters, cursor) {
  return call('GET', `/v1/access${parameters({ ...filters, cursor, limit: LOOKS })}`);
}

/**
 * The last signed head of the log, or that of a number, as the text that was signed; null if there is none.
 * @param {number} [n]
 * @returns {Promise<string | null>}
 */
export async function head(n) {
  const path = `/v1/audit/head${parameters({ n: n?.toString() })}`;
  try {
    return await call('GET', path, { text: true, media: 'application/json' });
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'missing') return null;
    throw error;
  }
}

/**
 * Erases a part of what there is of a subject, for good; asked again, it goes on, until it gives the certificate.
 * @param {string} subject
 * @param {string} reason
 * @param {string} [meaning] What a person declares who signs it.
 * @returns {Promise<Erasing | Certificate>}
 */
export function eraseSubject(subject, reason, meaning) {
  return call('DELETE', `/v1/subjects/${part(subject)}`, { body: { reason }, reason, meaning, patience: LONG });
}

/**
 * Begins to erase everything of a study, for good; Vigil carries it on.
 * @param {string} study
 * @param {string} reason
 * @param {string} [meaning] What a person declares who signs it.
 * @returns {Promise<StudyErasure>}
 */
export function eraseStudy(study, reason, meaning) {
  return call('DELETE', `/v1/studies/${part(study)}`, { body: { reason }, reason, meaning });
}

/**
 * How far the erasure of a study is, or its certificate.
 * @param {string} study
 * @returns {Promise<StudyErasure>}
 */
export function studyErasure(study) {
  return call('GET', `/v1/studies/${part(study)}/erasure`);
}
