/**
 * Signing in by an identity provider: authorization code with PKCE (RFC 7636, S256), as RFC 9700 asks of public clients.
 *
 * Guarantee: a code that comes back is used only if this tab asked for it (`state`), for the provider it asked, and once. The
 * code is exchanged by Vigil, which checks the ID token and its nonce. The verifier is in this tab's session storage until the browser is back; the secret and the refresh token are
 * where `session.js` keeps a key. A session is renewed a minute before it is over, by one request at a time.
 */

import { Refusal, whoami } from './api.js';
import { closeSession, openSession } from './api-access.js';
import { say } from './parts/act.js';
import { go } from './router.js';
import { begin, end, ended, onExpiry, remembered, scopeOf, session } from './session.js';
import { t } from './text.js';

/**
 * @typedef {import('./api-access.js').Provider} Provider
 * @typedef {import('./api-access.js').Opened} Opened
 * @typedef {import('./session.js').Why} Why
 * @typedef {{ issuer: string, state: string, verifier: string, nonce: string, back: string, remember: boolean, grant?: number }} Pending
 */

const PENDING = 'vigil.sign-in';
/** The time before its end at which a session is renewed, and the pause after a failure, milliseconds. */
const EARLY = 60000;
const PAUSE = 10000;

/** The address that the provider sends the browser back to. */
const home = () => `${location.origin}/`;

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (mark) => ({ '+': '-', '/': '_' })[mark] ?? '');
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/**
 * Goes to the provider. It leads back to the address where the person is now.
 * @param {Provider} provider
 * @param {{ remember: boolean, grant?: number, fresh?: boolean }} how `fresh`: the provider is to ask for the password, also of
 *   somebody whom it knows still, and to say in the token when it did.
 */
export async function leave({ issuer, clientId, authorizationEndpoint, scope }, { remember, grant, fresh }) {
  // Browsers have no digests for pages that anybody on the way could have changed.
  if (!crypto.subtle || !authorizationEndpoint) return ended.set({ why: authorizationEndpoint ? 'insecure' : 'away' });
  const [verifier, state] = [random(), random()];
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const challenge = base64url(new Uint8Array(digest));
  const back = location.pathname + location.search;
  /** @type {Pending} */
  const pending = { issuer, state, verifier, nonce: challenge, back, remember, grant };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const to = new URL(authorizationEndpoint);
  const query = {
    ...{ response_type: 'code', client_id: clientId, redirect_uri: home(), scope, state, nonce: challenge },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
    ...(fresh && { prompt: 'login', max_age: '0' }),
  };
  for (const [name, value] of Object.entries(query)) to.searchParams.set(name, value);
  location.assign(to);
}

/**
 * Whether the browser is back from a provider. The address is as it was before then, and what came along is nowhere else.
 * @returns {{ pending: Pending, code: string } | null}
 */
export function returned() {
  const query = new URLSearchParams(location.search);
  const [state, code, error] = [query.get('state'), query.get('code'), query.get('error')];
  if (location.pathname !== '/' || !state || !(code || error)) return null;
  /** @type {Pending | null} */
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
  const own = pending?.state === state && (query.get('iss') ?? pending.issuer) === pending.issuer;
  go(own ? pending.back : '/', { replace: true });
  if (!own) {
    // Somebody may have laid such an address under a link: what was begun here stays.
    ended.set({ why: 'stray' });
    return null;
  }
  sessionStorage.removeItem(PENDING);
  if (code) return { pending, code };
  const detail = [error, query.get('error_description')].filter(Boolean).join(': ');
  ended.set(error === 'access_denied' ? { why: 'denied' } : { why: 'troubled', detail });
  return null;
}

/**
 * Signs in with what a provider gave.
 * @param {{ pending: Pending, code: string }} back
 */
export async function arrive({ pending: { issuer, verifier, nonce, remember, grant }, code }) {
  try {
    keep(await openSession({ issuer, code, codeVerifier: verifier, redirectUri: home(), nonce, grant }), { remember });
  } catch (error) {
    ended.set(whyOf(error));
  }
}

/** @type {Partial<Record<import('./api.js').Kind, Why>>} */
const WHY = { unauthenticated: 'unaccepted', forbidden: 'noGrant', busy: 'away', offline: 'offline' };

/** @param {unknown} error Why a session was not begun. @returns {{ why: Why, detail?: string }} */
function whyOf(error) {
  if (!(error instanceof Refusal)) return { why: 'troubled' };
  const why = WHY[error.kind] ?? 'troubled';
  // The page says this in the reader's language, and the answer has nothing to add.
  return { why, detail: why === 'noGrant' ? undefined : error.detail };
}

/**
 * Takes a session over.
 * @param {Opened} opened
 * @param {{ remember: boolean, refreshToken?: string }} before
 */
function keep(opened, { remember, refreshToken }) {
  const { secret, sessionId, issuer, subject, name, role, study, site, grant, grants } = opened;
  // Counts from its duration, since the clocks of this computer and of Vigil need not agree.
  const until = Date.now() + Date.parse(opened.expiresAt) - Date.parse(opened.beganAt);
  const renewal = { issuer, until, refreshToken: opened.refreshToken ?? refreshToken, grant };
  const who = { keyId: sessionId, role, study, site, person: { issuer, subject, name }, sessionId, grant, grants };
  begin(secret, who, { remember, renewal });
}

/** @type {Promise<void> | null} A refresh token may be good for one use: there is one renewal at a time. */
let running = null;

function renew() {
  running ??= again().finally(() => {
    running = null;
  });
  return running;
}

onExpiry(renew);

/** Renews the session; ends it where that is refused. */
async function again() {
  const now = session.value;
  if (!now?.renewal) return;
  const { issuer, refreshToken } = now.renewal;
  if (!refreshToken) {
    end('expired');
    throw new Refusal('unauthenticated');
  }
  try {
    const opened = await reopen({ issuer, refreshToken }, now.who);
    // A person who signed out meanwhile stays out.
    if (session.value !== now) return void closeSession(opened.secret).catch(() => undefined);
    keep(opened, { remember: now.remember, refreshToken });
    if (scopeOf(opened) !== scopeOf(now.who)) say(t().persons.changed);
  } catch (error) {
    const refused = error instanceof Refusal && !['offline', 'busy'].includes(error.kind);
    if (refused && session.value === now) {
      const { why, detail } = whyOf(error);
      end(why === 'noGrant' ? why : 'unrenewed', detail);
    }
    throw error;
  }
}

/**
 * A new session with the same grant, which may have another number by now.
 * @param {{ issuer: string, refreshToken: string }} proof
 * @param {import('./session.js').Holder} who
 */
async function reopen(proof, who) {
  const opened = await openSession({ ...proof, grant: who.grant }).catch((error) => {
    if (!who.grant || !(error instanceof Refusal) || error.kind !== 'failed') throw error;
    return openSession(proof);
  });
  const same = opened.grants.findIndex((grant) => scopeOf(grant) === scopeOf(who));
  if (same < 0 || same === opened.grant) return opened;
  const refreshToken = opened.refreshToken ?? proof.refreshToken;
  const right = await openSession({ ...proof, refreshToken, grant: same });
  closeSession(opened.secret).catch(() => undefined);
  return { ...right, refreshToken: right.refreshToken ?? refreshToken };
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Renews in time, and tells whoever cannot be renewed. */
function schedule() {
  clearTimeout(timer);
  const renewal = session.value?.renewal;
  if (!renewal) return;
  const left = renewal.until - Date.now();
  const wait = Math.max(0, left - Math.min(EARLY, left / 2));
  if (!renewal.refreshToken) {
    timer = setTimeout(() => say(t().persons.endsSoon), wait);
    return;
  }
  const attempt = () =>
    renew().catch(() => {
      // Without a connection it is tried again, by a request at the latest.
      if (session.value?.renewal === renewal && Date.now() < renewal.until) timer = setTimeout(attempt, PAUSE);
    });
  timer = setTimeout(attempt, wait);
}

session.followers.add(schedule);

/**
 * Goes on with another grant of the person. Only with a refresh token.
 * @param {number} grant
 */
export async function take(grant) {
  await running?.catch(() => undefined);
  const now = session.value;
  if (!now?.renewal?.refreshToken) throw new Refusal('unauthenticated');
  const { issuer, refreshToken } = now.renewal;
  const opened = await openSession({ issuer, refreshToken, grant });
  if (session.value !== now) return;
  keep(opened, { remember: now.remember, refreshToken });
  closeSession(now.key).catch(() => undefined);
}

/** Goes on with what this tab was asked to remember. Without a connection it stays, and a reload tries again. */
export async function resume() {
  const kept = remembered();
  if (!kept) return;
  const { key, renewal } = kept;
  try {
    if (renewal?.refreshToken && Date.now() >= renewal.until) {
      const { issuer, refreshToken, grant } = renewal;
      keep(await openSession({ issuer, refreshToken, grant }), { remember: true, refreshToken });
    } else {
      begin(key, await whoami(key), { remember: true, renewal });
    }
  } catch (error) {
    const { why, detail } = whyOf(error);
    // A key that is refused is forgotten.
    if (why === 'unaccepted' && !renewal) end('refused');
    else if (why === 'unaccepted') end('expired');
    else if (why === 'noGrant') end(why, detail);
  }
}

/** Signs out; a person's session ends for good, whoever has its secret. */
export async function signOut() {
  const now = session.value;
  end(now?.who.person && 'signedOut');
  if (!now?.who.person) return;
  try {
    await closeSession(now.key);
  } catch (error) {
    const over = error instanceof Refusal && error.kind === 'unauthenticated';
    if (!over && !session.value) ended.set({ why: 'untold' });
  }
}
