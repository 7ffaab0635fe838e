/**
 * The inbox between the server and the screen. What a person sees stays where it is: rows change their state in place, and
 * new alerts wait until the person asks for them.
 */

import * as api from '../api.js';
import { onEnd } from '../session.js';
import { Followed } from '../ui.js';

/**
 * @typedef {import('../api.js').Listed} Listed
 * @typedef {{ state: string, severity: string, study: string, site: string }} Filters
 * @typedef {Listed & { left?: boolean, by?: string, doneAt?: string }} Row A row that left: its alert is no longer among
 *   those that were asked for. `by` and `doneAt`: who acted last, and when.
 * @typedef {{ filters: Filters, rows: Row[], fresh: Listed[], all: number, critical: number, complete: boolean,
 *   at: Date }} Inbox
 */

/** The inbox that is shown. It outlives the screen, so that "back" shows it at once, and ends with the session. */
export const inbox = new Followed(/** @type {Inbox | null} */ (null));
/** Why the last look failed. */
export const trouble = new Followed(/** @type {unknown} */ (undefined));

onEnd(() => {
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
    const { alerts, ...rest } = await api.alerts(filters);
    if (wanted !== filters) return;
    trouble.set(undefined);
    const before = inbox.value;
    const at = new Date();
    if (!before) inbox.set({ filters, rows: alerts, fresh: [], ...rest, at });
    else inbox.set({ filters, ...merged(before.rows, alerts), ...rest, at });
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
  const left = rows.filter((row) => !row.left && !now.has(row.alertId));
  for (const row of left) follow(row.alertId);
  return {
    rows: rows.map((row) => now.get(row.alertId) ?? { ...row, left: true }),
    fresh: alerts.filter((alert) => !known.has(alert.alertId)),
  };
}

/**
 * Finds out what became of an alert that left the list.
 * @param {string} id
 */
async function follow(id) {
  try {
    const { state, history } = await api.alert(id);
    const last = history.findLast((entry) => entry.by);
    change(id, { state, by: last?.by, doneAt: last?.at });
  } catch {
    // The row says as before what it knows.
  }
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
  const { state, by, at } = await api.attend(id, act, note);
  change(id, { state, by, doneAt: at });
}

/**
 * Changes a row where it stands.
 * @param {string} id
 * @param {Partial<Row>} what
 */
export function change(id, what) {
  const { value } = inbox;
  if (value) inbox.set({ ...value, rows: value.rows.map((row) => (row.alertId === id ? { ...row, ...what } : row)) });
}
