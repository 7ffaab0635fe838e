/** The public API as far as silences, subscriptions and what is known of a person need it. Knows its paths, like `api.js`. */

import { call, PAGE, parameters, part } from './api.js';

/**
 * @typedef {'study' | 'site' | 'severity' | 'instrument' | 'rule' | 'subject'} Property
 * @typedef {Partial<Record<Property, string[]>>} Matchers
 * @typedef {{ id: string, matchers: Matchers, start: string, end: string, author: string, comment: string,
 *   critical: boolean, state: 'pending' | 'active' | 'ended' }} Silence
 */

/** What a silence may name. @type {Property[]} */
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

/** @param {string[] | undefined} values */
function only(values) {
  return values?.length === 1 ? values[0] : undefined;
}
