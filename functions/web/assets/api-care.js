/** The public API as far as silences, subscriptions and what is known of a person need it. Knows its paths, like `api.js`. */

import { alert, call, codebook, PAGE, parameters, part, Refusal, submission, submissionsOf } from './api.js';

/**
 * @typedef {'study' | 'site' | 'severity' | 'instrument' | 'rule' | 'subject'} Property
 * @typedef {Partial<Record<Property, string[]>>} Matchers
 * @typedef {{ id: string, matchers: Matchers, start: string, end: string, author: string, byName?: string, comment: string,
 *   critical: boolean, state: 'pending' | 'active' | 'ended' }} Silence
 */

/** The properties that a silence may name. @type {Property[]} */
export const PROPERTIES = ['study', 'site', 'severity', 'instrument', 'rule', 'subject'];

/** @returns {Promise<Silence[]>} */
export async function silences() {
  return (await call('GET', '/v1/silences')).silences;
}

/**
 * @param {{ matchers: Matchers, comment: string, critical: boolean, minutes?: number, end?: string }} silence
 * @returns {Promise<Silence>}
 */
export function beginSilence(silence) {
  return call('POST', '/v1/silences', { body: silence });
}

/** @param {string} id */
export function endSilence(id) {
  return call('DELETE', `/v1/silences/${part(id)}`);
}

/**
 * How many alerts that a silence is about were not sent since it began; `more` if there are more than one look counts.
 * @param {Silence} silence
 * @returns {Promise<{ count: number, more: boolean }>}
 */
export async function unsent({ matchers, start }) {
  const [study, site] = [only(matchers.study), only(matchers.site)];
  const query = { state: 'suppressed', study, site, since: start, include: 'reason', limit: String(PAGE) };
  /** @type {{ alerts: import('./api.js').Listed[], more: boolean }} */
  const { alerts, more } = await call('GET', `/v1/alerts${parameters(query)}`);
  /** @type {(alert: import('./api.js').Listed) => Record<Property, string>} */
  const facts = (alert) => ({ ...alert, study: alert.studyId, site: alert.siteId });
  const matching = alerts.map(facts).filter((alert) =>
    PROPERTIES.every((name) => {
      const values = matchers[name];
      return !values?.length || values.includes(alert[name]);
    }),
  );
  return { count: matching.length, more };
}

/**
 * Whether there is an alert of a site among those that the key may see. Where that cannot be found out, it is taken for so.
 * @param {string} study Any, if it is empty.
 * @param {string} site
 * @returns {Promise<boolean>}
 */
export async function hasAlerts(study, site) {
  try {
    const { alerts, more } = await call('GET', `/v1/alerts${parameters({ study, site, limit: '1' })}`);
    return alerts.length > 0 || more;
  } catch {
    return true;
  }
}

/** @param {string[] | undefined} values */
function only(values) {
  return values?.length === 1 ? values[0] : undefined;
}

/**
 * @typedef {{ subscription: string, receiver: string, studies: string[] | null, events: string[], content: string,
 *   since: string | null, waiting: number, behind: boolean }} Subscription
 */

/** @returns {Promise<Subscription[]>} */
export async function subscriptions() {
  return (await call('GET', '/v1/subscriptions')).subscriptions;
}

/**
 * Tells a subscription once more of the events since a time; with `dryRun` only counts them.
 * @param {string} id
 * @param {{ since: string, dryRun: boolean, reason: string }} how
 * @returns {Promise<{ count: number, counts: Record<string, number>, more: boolean }>}
 */
export function tellAgain(id, { since, dryRun, reason }) {
  const body = { since, ...(dryRun && { dryRun }) };
  return call('POST', `/v1/subscriptions/${part(id)}/replay`, { body, reason });
}

/**
 * Who a subject is. Vigil records every look, and why, before it answers.
 * @param {string} subject
 * @param {string} why
 * @returns {Promise<{ patientId: string, patientSystem?: string, studyId: string, siteId: string }>}
 */
export function identity(subject, why) {
  return call('GET', `/v1/subjects/${part(subject)}/identity`, { why });
}

/**
 * Erases what a submission said, for good.
 * @param {string} id
 * @param {string} reason
 * @param {string} [meaning] What a person declares who signs it.
 */
export function erase(id, reason, meaning) {
  return call('DELETE', `/v1/submissions/${part(id)}`, { body: { reason }, meaning });
}

/**
 * Sends a correction, which takes the place of the submission that its `amends` names.
 * @param {string | undefined} instrument None for a report.
 * @param {Record<string, unknown>} document
 * @returns {Promise<{ submissionId: string }>}
 */
export function amend(instrument, document) {
  const path = instrument ? `/v1/surveys/${part(instrument)}/responses` : '/v1/reports';
  return call('POST', path, { body: document });
}

/** The looks at a submission that waits to be scored, and the time between two, milliseconds. */
const LOOKS = 20;
const PAUSE = 500;

/**
 * A submission once it is scored; null if it still waits after 10 seconds.
 * @param {string} id
 * @returns {Promise<import('./api.js').Submission | null>}
 */
export async function settled(id) {
  for (let look = 0; look < LOOKS; look += 1) {
    const found = await submission(id).catch(() => null);
    if (found && found.state !== 'queued') return found;
    await new Promise((later) => setTimeout(later, PAUSE));
  }
  return null;
}

/** A long file may take so long, milliseconds. */
const LONG = 60000;

/**
 * The submissions of a subject as CSV, a row for each value.
 * @param {string} study
 * @param {string} subject
 * @returns {Promise<string>}
 */
export function table(study, subject) {
  const query = parameters({ subject, layout: 'long' });
  const path = `/v1/studies/${part(study)}/submissions${query}`;
  return call('GET', path, { text: true, media: 'text/csv', patience: LONG });
}

/**
 * Everything that Vigil holds about a subject: a FHIR Bundle, or a page to print. A clinician's has the identity, and Vigil
 * records that look, and why, before it answers.
 * @param {string} subject
 * @param {'fhir' | 'html'} format
 * @param {string} lang
 * @param {string} [why] For those whom it tells the identity.
 * @returns {Promise<string>}
 */
export function everything(subject, format, lang, why) {
  const media = format === 'html' ? 'text/html' : 'application/fhir+json';
  const path = `/v1/subjects/${part(subject)}/export${parameters({ format, lang })}`;
  return call('GET', path, { text: true, media, why, patience: LONG });
}

/** The most submissions on paper, and the reads at a time. */
const MOST = 500;
const AT_ONCE = 6;

/**
 * @typedef {{ submissions: import('./api.js').Submission[], alerts: import('./api.js').Alert[],
 *   books: Map<string, import('./api.js').Codebook | null>, erased: number, more: boolean }} Whole `books`: by instrument.
 */

/**
 * All that is shown of a subject, the oldest first: submissions with their answers, alerts with what was done.
 * @param {string} subject
 * @param {(done: number, all: number) => void} told Is called as it goes on.
 * @returns {Promise<Whole>}
 */
export async function whole(subject, told) {
  const listed = [];
  let cursor;
  let more = true;
  while (more && listed.length < MOST) {
    const page = await submissionsOf(subject, cursor, String(PAGE));
    listed.push(...page.submissions);
    cursor = page.cursor ?? undefined;
    more = page.more;
  }
  const shown = listed.slice(0, MOST).reverse();
  const ids = shown.flatMap(({ alerts }) => alerts.map(({ alertId }) => alertId));
  const all = shown.length + ids.length;
  let done = 0;
  const count = () => told(++done, all);
  const submissions = await each(shown, (one) => submission(one.submissionId).catch(gone), count);
  const alerts = await each([...new Set(ids)], alert, count);
  const names = [...new Set(shown.flatMap(({ instrument }) => instrument ?? []))];
  const books = new Map(
    await Promise.all(names.map(async (name) => /** @type {const} */ ([name, await codebook(name)]))),
  );
  const kept = submissions.filter((one) => one !== null);
  return { submissions: kept, alerts, books, erased: shown.length - kept.length, more: more || listed.length > MOST };
}

/** @param {unknown} error */
function gone(error) {
  if (error instanceof Refusal && error.kind === 'erased') return null;
  throw error;
}

/**
 * Reads some at a time, and answers in the order asked for.
 * @template T, R
 * @param {T[]} all
 * @param {(one: T) => Promise<R>} read
 * @param {() => void} count
 * @returns {Promise<R[]>}
 */
async function each(all, read, count) {
  /** @type {R[]} */
  const found = [];
  const open = [...all.entries()];
  const worker = async () => {
    for (let next = open.shift(); next; next = open.shift()) {
      found[next[0]] = await read(next[1]);
      count();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}
