/**
 * The public API, and nothing else: the one module that knows its paths. What screens need and the API does not say in one
 * answer is put together here, so that a richer answer changes this file alone.
 */

import { end, fresh, onEnd, session } from './session.js';

/**
 * @typedef {'critical' | 'high' | 'moderate' | 'info'} Severity
 * @typedef {'queued' | 'suppressed' | 'grouped' | 'open' | 'delivered' | 'dead' | 'acknowledged' | 'resolved'} State
 * @typedef {{ receiver: string, cause: string, state: string, reason?: string, deliveredAt?: string, nextAt?: string,
 *   attempts: number }} Told
 * @typedef {{ alertId: string, severity: Severity, state: State, studyId: string, siteId: string, receivedAt: string,
 *   openedAt?: string, acknowledgedBy?: string, acknowledgedByName?: string, acknowledgedAt?: string, resolvedBy?: string,
 *   resolvedByName?: string, resolvedAt?: string,
 *   assignee: string | null, subject: string, instrument: string, rule: string, reason: string,
 *   deliveredAt: string | null, nextAt: string | null, deliveries: Told[] }} Listed
 * @typedef {Partial<Record<State, Partial<Record<Severity, number>>>>} Counts
 * @typedef {{ at: string, tookMs: number, outcome: string, reason?: string, status?: number, answer?: string,
 *   nextAt?: string }} Attempt
 * @typedef {{ receiver: string, cause: string, state: string, reason?: string, nextAt?: string, told: number,
 *   earlier?: number, attempts: Attempt[] }} Delivery
 * @typedef {{ n: number, at: string, what: string, state: string, told: string[], receiver?: string, reason?: string,
 *   by?: string, byName?: string, to?: string, note?: string, meaning?: string }} Happened
 * @typedef {Omit<Listed, 'deliveries'> & { reasonOfState: string | null, submissionId: string, opening: number,
 *   leader: string | null, deliveries: Delivery[], history: Happened[] }} Alert
 * @typedef {{ at: string, submissionId: string, siteId: string, scores: Score[] }} CoursePoint
 * @typedef {Alert & { kind?: string, authoredAt?: string, content?: Record<string, unknown>,
 *   scoredWith?: { id: string, version: string }, course?: { points: CoursePoint[], more: boolean } }} Behind
 * @typedef {{ id: string, value: number | string | boolean | null, band?: string, status: string, reason?: string,
 *   answered: number, missing: number }} Score
 * @typedef {{ submissionId: string, siteId: string, kind: string, instrument?: string, authoredAt: string,
 *   receivedAt: string, state: string, scores: Score[], alerts: { alertId: string, severity: Severity }[] }} ListedSubmission
 * @typedef {{ submissionId: string, state: string, studyId: string, siteId: string, receivedAt: string, subject?: string,
 *   kind?: string, authoredAt?: string, content?: Record<string, unknown>, scores?: Score[], flags?: string[],
 *   instrument?: { id: string, version: string, parameters?: Record<string, string> }, supersedes?: string,
 *   supersededBy?: string, reason?: string,
 *   alerts?: { alertId: string, severity: Severity }[] }} Submission
 * @typedef {{ id: string, text?: string, low: number, high: number,
 *   options?: { value: number, code?: string, label?: string }[] }} Item
 * @typedef {{ title: string, version: string, items: Item[], scores: { id: string, title?: string, low?: number,
 *   high?: number, bands?: { id: string, label?: string, from?: number, below?: number }[] }[] }} Codebook
 * @typedef {{ at: string, submissionId: string, siteId: string, value: number | string | boolean | null,
 *   band: string | null, status: string }} Point
 * @typedef {{ receiver: string, channel: string, disabledSince: string | null, breaker: string, calls: number,
 *   failed: number, running: number, concurrency: number, ratePerMinute: number | null, attempts: Attempt[] }} Receiver
 * @typedef {{ id: string, at: string, queue: string, reason: string, submissionId: string | null,
 *   alertId: string | null, severity: Severity | null, studyId: string | null, siteId: string | null,
 *   analysisId?: string | null, receiver: string | null }} DeadLetter
 * @typedef {{ name: string, ok: boolean, detail?: string }} Check
 * @typedef {{ at: string, accepted: number, scored: number, delivered: number, waiting: Record<string, number>,
 *   oldestMs: Record<string, number> }} Minute
 * @typedef {{ pointer: string, code: string, detail: string }} Finding
 * @typedef {'offline' | 'unauthenticated' | 'forbidden' | 'missing' | 'erased' | 'conflict' | 'busy' | 'failed' |
 *   'signature' | 'unsigned'} Kind `signature`: the person must authenticate again to sign it. `unsigned`: the person did not sign it.
 */

/** Why a request was not answered with what was asked for. */
export class Refusal extends Error {
  /**
   * @param {Kind} kind
   * @param {string} [detail] The server's own sentence.
   * @param {Finding[]} [findings] What is wrong, by place.
   */
  constructor(kind, detail = '', findings = []) {
    super(detail || kind);
    this.kind = kind;
    this.detail = detail;
    this.findings = findings;
  }
}

/** @type {Record<number, Kind>} */
const KINDS = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'missing',
  409: 'conflict',
  410: 'erased',
  412: 'conflict',
  428: 'conflict',
  429: 'busy',
  503: 'busy',
  504: 'busy',
};

/** How long a person waits for an answer, milliseconds. */
const PATIENCE = 10000;

/** @type {Map<string, { tag: string, data: unknown }>} Answers that the server may say are still the same. */
const seen = new Map();
/** @type {Map<string, Promise<Codebook | null>>} */
const codebooks = new Map();
onEnd(() => {
  seen.clear();
  codebooks.clear();
});

/**
 * @param {string} method
 * @param {string} path
 * @param {{ key?: string, body?: unknown, raw?: string, type?: string, reason?: string, why?: string, meaning?: string, match?: string, accept?: number[],
 *   text?: boolean, media?: string, patience?: number }} [how] `raw`: a body that is text already. `match`: the version that is replaced.
 *   `meaning`: what a person declares who signs it. `why`: the reason of a look at an identity.
 *   `accept`: statuses that are answers, too. `key`: another than that of the session; none, if it is empty.
 * @returns {Promise<any>}
 */
export async function call(method, path, how = {}) {
  if (how.key === undefined) await fresh();
  const { key = session.value?.key, body, reason, accept = [], text = false, patience = PATIENCE } = how;
  const { raw = JSON.stringify(body), type = 'application/json', match, media, meaning, why } = how;
  const known = method === 'GET' ? seen.get(path) : undefined;
  /** @type {Record<string, string>} */
  const headers = {};
  if (media ?? !text) headers.accept = media ?? 'application/json';
  if (key) headers.authorization = `Bearer ${key}`;
  if (known) headers['if-none-match'] = known.tag;
  if (reason) headers['x-change-reason'] = bytes(reason);
  if (why) headers['x-look-reason'] = bytes(why);
  if (meaning) headers['x-signature-meaning'] = bytes(meaning);
  if (raw !== undefined) headers['content-type'] = type;
  if (match) headers['if-match'] = match;
  const signal = AbortSignal.timeout(patience);
  const request = { method, headers, body: raw, signal, cache: 'no-store', credentials: 'omit' };
  let reply, answer;
  try {
    reply = await fetch(path, /** @type {RequestInit} */ (request));
    if (reply.status === 304 && known) return known.data;
    answer = text && reply.ok ? await reply.text() : await reply.json().catch(() => null);
  } catch {
    throw new Refusal('offline');
  }
  if (reply.ok || accept.includes(reply.status)) {
    const tag = reply.headers.get('etag');
    if (method === 'GET' && tag) seen.set(path, { tag, data: answer });
    return answer;
  }
  const unsigned = answer?.type === 'urn:vigil:problem:signature-required';
  const kind = unsigned ? 'signature' : (KINDS[reply.status] ?? 'failed');
  // A key that was taken back, or a session that ended, shows nothing any longer.
  if (kind === 'unauthenticated' && session.value?.key === key) end(whyEnded(answer?.detail ?? ''));
  throw new Refusal(kind, answer?.detail ?? '', answer?.errors);
}

/** @param {string} text In any language; a header takes bytes. */
function bytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** @param {string} detail The server's own sentence. @returns {import('./session.js').Why} */
function whyEnded(detail) {
  if (!session.value?.who.person) return 'refused';
  return detail.includes('expired') ? 'expired' : 'ended';
}

/** @param {Record<string, string | undefined>} query */
export function parameters(query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(/** @type {[string, string][]} */ (given))}` : '';
}

export const part = encodeURIComponent;

/**
 * The key: its role, and the study and site that it covers, `*` for all.
 * @param {string} key
 * @returns {Promise<import('./session.js').Holder>}
 */
export function whoami(key) {
  return call('GET', '/v1/whoami', { key });
}

/** The severities, the worst first. */
export const SEVERITIES = /** @type {const} */ (['critical', 'high', 'moderate', 'info']);
/** The states of alerts that nobody has acknowledged. */
const OPEN = /** @type {State[]} */ (['open', 'delivered', 'dead', 'grouped']);
/** The lists in which the most urgent come first. */
const BY_URGENCY = ['open', 'acknowledged'];
/** The entries of a page. */
export const PAGE = 200;
/** The most pages of a course. */
const PAGES = 5;

/**
 * Alerts; open and acknowledged ones with the most urgent first, others with the newest first.
 * @param {{ state: string, severity: string, study: string, site: string }} filters `state` is `open`, `all` or a state.
 * @param {number} pages The most pages to read.
 * @returns {Promise<{ alerts: Listed[], all: number, critical: number, complete: boolean }>} `all` and `critical` count
 *   those that are not shown as well.
 */
export async function alerts({ state, severity, study, site }, pages) {
  const open = state === 'open';
  const query = {
    order: BY_URGENCY.includes(state) ? 'urgency' : '',
    state: open || state === 'all' ? '' : state,
    ...{ severity, study, site, include: 'reason,deliveries,counts', limit: String(PAGE) },
  };
  /** @type {Listed[]} */
  const found = [];
  let cursor = '';
  for (let page = 1; ; page += 1) {
    const answer = await call('GET', `/v1/alerts${parameters({ ...query, cursor })}`);
    found.push(...answer.alerts);
    cursor = answer.cursor ?? '';
    if (answer.more && page < pages) continue;
    const states = open ? OPEN : state === 'all' ? null : [state];
    const count = (/** @type {string} */ wanted) => counted(answer.counts ?? {}, states, wanted);
    const critical = open && (!severity || severity === 'critical') ? count('critical') : 0;
    return { alerts: found, all: count(severity), critical, complete: !answer.more };
  }
}

/** @returns {Promise<Counts>} How many alerts there are that nobody has acknowledged. */
export async function untaken() {
  const query = { order: 'urgency', include: 'counts', limit: '1' };
  return (await call('GET', `/v1/alerts${parameters(query)}`)).counts ?? {};
}

/**
 * @param {Counts} counts
 * @param {string[] | null} states All, if it names none.
 * @param {string} severity All, if it names none.
 */
function counted(counts, states, severity) {
  const some = Object.entries(counts).filter(([state]) => !states || states.includes(state));
  const numbers = some.flatMap(([, by]) => Object.entries(by).filter(([name]) => !severity || name === severity));
  return numbers.reduce((sum, [, number]) => sum + number, 0);
}

/**
 * The order of lists: below 0 if `one` comes before `other`.
 * @param {string} state
 * @param {Listed} one
 * @param {Listed} other
 */
export function order(state, one, other) {
  const ages = Date.parse(one.receivedAt) - Date.parse(other.receivedAt);
  const ids = one.alertId < other.alertId ? -1 : 1;
  if (!BY_URGENCY.includes(state)) return -ages || -ids;
  const severe = SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity);
  return severe || ages || ids;
}

/**
 * @param {string} id
 * @returns {Promise<Alert>}
 */
export function alert(id) {
  return call('GET', `/v1/alerts/${part(id)}`);
}

/**
 * An alert with the answers that raised it, and the course of the scores.
 * @param {string} id
 * @returns {Promise<Behind>}
 */
export function behind(id) {
  return call('GET', `/v1/alerts/${part(id)}?include=content,course`);
}

/**
 * Adds a note, and changes nothing else.
 * @param {string} id
 * @param {string} note
 */
export function addNote(id, note) {
  return call('POST', `/v1/alerts/${part(id)}/notes`, { body: { note } });
}

/**
 * Says who looks after an alert from now on.
 * @param {string} id
 * @param {string | null} to A person or a team; nobody, if null.
 */
export function assign(id, to) {
  return call('POST', `/v1/alerts/${part(id)}/assign`, { body: { to } });
}

/**
 * @param {string} id
 * @param {'acknowledge' | 'resolve' | 'reopen'} act
 * @param {string} [note]
 * @param {string} [meaning] What a person declares who signs it.
 * @returns {Promise<{ state: State, by?: string, byName?: string, at?: string }>}
 */
export function attend(id, act, note, meaning) {
  return call('POST', `/v1/alerts/${part(id)}/${act}`, { body: note ? { note } : {}, meaning });
}

/**
 * @param {string} id
 * @returns {Promise<Submission>}
 */
export function submission(id) {
  return call('GET', `/v1/submissions/${part(id)}`);
}

/**
 * What the answers and scores of an instrument mean; null if it is no instrument, as for reports.
 * @param {string} instrument
 * @param {string} [version]
 */
export function codebook(instrument, version) {
  const path = `/v1/instruments/${part(instrument)}/codebook${parameters({ version })}`;
  let found = codebooks.get(path);
  if (!found) {
    found = call('GET', path).catch((error) => {
      if (error instanceof Refusal && error.kind === 'missing') return null;
      codebooks.delete(path);
      throw error;
    });
    codebooks.set(path, found);
  }
  return /** @type {Promise<Codebook | null>} */ (found);
}

/**
 * @param {string} subject
 * @param {string} [cursor]
 * @param {string} [limit]
 * @returns {Promise<{ submissions: ListedSubmission[], cursor: string | null, more: boolean, state?: string }>} `state`:
 *   `erased`, where nothing is left of the subject.
 */
export function submissionsOf(subject, cursor, limit) {
  return call('GET', `/v1/subjects/${part(subject)}/submissions${parameters({ cursor, limit })}`);
}

/**
 * The course of a score, the oldest value first.
 * @param {string} subject
 * @param {string} score `phq-9.total`
 * @returns {Promise<Point[]>}
 */
export async function course(subject, score) {
  const points = [];
  let cursor = '';
  for (let page = 0; page < PAGES; page += 1) {
    const query = parameters({ score, limit: String(PAGE), cursor });
    const answer = await call('GET', `/v1/subjects/${part(subject)}/scores${query}`);
    points.push(...answer.points);
    if (!answer.more) break;
    cursor = answer.cursor;
  }
  return points;
}

/** @returns {Promise<Receiver[]>} */
export async function receivers() {
  return (await call('GET', `/v1/receivers${parameters({ limit: String(PAGE) })}`)).receivers;
}

/**
 * @param {string} receiver
 * @param {string} reason
 */
export function enable(receiver, reason) {
  return call('POST', `/v1/receivers/${part(receiver)}/enable`, { reason });
}

/**
 * Sends a test message, and tells what came back. It takes as long as the receiver may.
 * @param {string} receiver
 * @returns {Promise<{ attempt: Attempt }>}
 */
export function test(receiver) {
  return call('POST', `/v1/receivers/${part(receiver)}/test`, { patience: 60000 });
}

/** @returns {Promise<{ deadLetters: DeadLetter[], more: boolean }>} */
export function deadLetters() {
  return call('GET', `/v1/dead-letters${parameters({ limit: String(PAGE) })}`);
}

/**
 * Delivers dead letters again; with `dryRun` only says how many they are.
 * @param {string[]} ids
 * @param {{ dryRun: boolean, reason: string }} how
 * @returns {Promise<{ count: number, left: unknown[] }>}
 */
export function replay(ids, { dryRun, reason }) {
  return call('POST', '/v1/dead-letters/replay', { body: { ids, ...(dryRun && { dryRun }) }, reason });
}

/** @returns {Promise<{ ready: boolean, checks: Check[] }>} */
export function readiness() {
  return call('GET', '/readyz', { accept: [503] });
}

/** @returns {Promise<string>} The figures as OpenMetrics. */
export function metrics() {
  return call('GET', '/metrics', { text: true });
}

/** @returns {Promise<Minute[] | null>} The last hour of the queues; null if the key may not see it. */
export async function lastHour() {
  const answer = await call('GET', '/v1/stats/hour', { accept: [403, 404] });
  return answer?.minutes ?? null;
}
