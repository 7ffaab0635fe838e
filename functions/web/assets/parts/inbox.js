/**
 * The inbox between the server and the screen. What a person sees stays where it is: rows change their state in place, and
 * new alerts wait until the person asks for them.
 */

import * as api from '../api.js';
import { onEnd } from '../session.js';
import { Followed } from '../ui.js';

/**
 * @typedef {import('../api.js').Listed} Listed
 * @typedef {import('../api.js').Alert} Alert
 * @typedef {{ state: string, severity: string, study: string, site: string }} Filters
 * @typedef {Listed & { left?: boolean }} Row A row that left: its alert is no longer among those that were asked for.
 * @typedef {{ filters: Filters, rows: Row[], fresh: Listed[], complete: boolean, at: Date }} Inbox
 */

/** The inbox that is shown. It outlives the screen, so that "back" shows it at once, and ends with the session. */
export const inbox = new Followed(/** @type {Inbox | null} */ (null));
/** Why the last look failed. */
export const trouble = new Followed(/** @type {unknown} */ (undefined));

/** @type {Map<string, Followed<Alert | null>>} */
const details = new Map();
/** @type {Map<string, string>} The state in which each detail was asked for. */
const asked = new Map();
onEnd(() => {
  details.clear();
  asked.clear();
  inbox.set(null);
  trouble.set(undefined);
});

/** @param {Filters} filters */
function same(filters) {
  return JSON.stringify(filters) === JSON.stringify(inbox.value?.filters);
}

/**
 * Looks again. The first look at these filters fills the list; later ones change it in place.
 * @param {Filters} filters
 */
export async function look(filters) {
  if (inbox.value && !same(filters)) inbox.set(null);
  try {
    wanted = filters;
    const { alerts, complete } = await api.alerts(filters);
    if (wanted !== filters) return;
    trouble.set(undefined);
    const before = inbox.value;
    const at = new Date();
    if (!before) inbox.set({ filters, rows: alerts, fresh: [], complete, at });
    else inbox.set({ filters, ...merged(before.rows, alerts), complete, at });
  } catch (error) {
    if (wanted === filters) trouble.set(error);
  }
}

/** @type {Filters | undefined} The filters of the latest look: an earlier one that answers late does not count. */
let wanted;

/**
 * @param {Row[]} rows
 * @param {Listed[]} alerts
 */
function merged(rows, alerts) {
  const now = new Map(alerts.map((alert) => [alert.alertId, alert]));
  const known = new Set(rows.map((row) => row.alertId));
  return {
    rows: rows.map((row) => now.get(row.alertId) ?? { ...row, left: true }),
    fresh: alerts.filter((alert) => !known.has(alert.alertId)),
  };
}

/** Takes the new alerts in, and drops those that left. */
export function showFresh() {
  const { value } = inbox;
  if (!value) return;
  const rows = api.byUrgency([...value.rows.filter((row) => !row.left), ...value.fresh]);
  inbox.set({ ...value, rows, fresh: [] });
}

/**
 * Does something about an alert, and shows at once what came of it.
 * @param {string} id
 * @param {'acknowledge' | 'resolve' | 'reopen'} act
 * @param {string} [note]
 */
export async function attend(id, act, note) {
  const { state } = await api.attend(id, act, note);
  changed(id, state);
}

/**
 * Shows that an alert has another state now.
 * @param {string} id
 * @param {import('../api.js').State} state
 */
export function changed(id, state) {
  const { value } = inbox;
  if (value) inbox.set({ ...value, rows: value.rows.map((row) => (row.alertId === id ? { ...row, state } : row)) });
  asked.delete(id);
}

/**
 * The whole of an alert in the list; null until it is there.
 * @param {string} id
 */
export function detail(id) {
  let found = details.get(id);
  if (!found) {
    found = new Followed(/** @type {Alert | null} */ (null));
    details.set(id, found);
  }
  return found;
}

/** @type {Array<() => Promise<void>>} */
const waiting = [];
let running = 0;

/**
 * Reads the whole of an alert, unless it is known in this state. A few are read at a time.
 * @param {Row} row
 */
export function want(row) {
  const state = `${row.state} ${row.left ?? false}`;
  const next = detail(row.alertId).value?.nextAt;
  const due = next && Date.parse(next) < Date.now();
  if (asked.get(row.alertId) === state && !due) return;
  asked.set(row.alertId, state);
  waiting.push(async () => {
    try {
      detail(row.alertId).set(await api.alert(row.alertId));
    } catch {
      // The row shows what the list says; the next look asks again.
      asked.delete(row.alertId);
    }
  });
  work();
}

function work() {
  while (running < 4) {
    const job = waiting.shift();
    if (!job) return;
    running += 1;
    job().finally(() => {
      running -= 1;
      work();
    });
  }
}
