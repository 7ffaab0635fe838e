/**
 * The inbox between the server and the screen. What a person sees stays where it is: rows change their state in place, and
 * new alerts wait until the person asks for them.
 */

import * as api from '../api.js';
import { onEnd } from '../session.js';
import { Followed } from '../ui.js';
import { attend as send } from './sign.js';

/**
 * @typedef {import('../api.js').Listed} Listed
 * @typedef {{ state: string, severity: string, study: string, site: string }} Filters
 * @typedef {Listed & { left?: boolean, by?: string, byName?: string, doneAt?: string }} Row A row that left: its alert is no longer among
 *   those that were asked for. `by` and `doneAt`: who acted last, and when.
 * @typedef {{ filters: Filters, rows: Row[], fresh: Listed[], all: number, critical: number, complete: boolean,
 *   pages: number, at: Date }} Inbox `complete`: there are no others.
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
 * @param {number} pages How much of it is wanted.
 */
export async function look(filters, pages) {
  if (inbox.value && !same(filters)) inbox.set(null);
  try {
    wanted = filters;
    const { alerts, ...rest } = await api.alerts(filters, pages);
    if (wanted !== filters) return;
    trouble.set(undefined);
    const before = inbox.value;
    const at = new Date();
    // Where nothing is shown, nothing can move.
    const list = before?.rows.length ? merged(before, { ...rest, alerts, pages }) : { rows: alerts, fresh: [] };
    inbox.set({ filters, pages, ...list, ...rest, at });
  } catch (error) {
    if (wanted === filters) trouble.set(error);
  }
}

/** @type {Filters | undefined} The filters of the latest look: an earlier one that answers late does not count. */
let wanted;

/**
 * What the list becomes by a look at it.
 * @param {Inbox} before
 * @param {{ alerts: Listed[], complete: boolean, pages: number }} seen
 * @returns {{ rows: Row[], fresh: Listed[] }}
 */
function merged({ filters, rows, pages }, seen) {
  const { alerts } = seen;
  const now = new Map(alerts.map((alert) => [alert.alertId, alert]));
  const known = new Set(rows.map((row) => row.alertId));
  const [lastRow, lastSeen] = [rows.at(-1), alerts.at(-1)];
  /** @param {Row} row Whether it would be there if its alert were still what was asked for. */
  const within = (row) => seen.complete || (lastSeen && api.order(filters.state, row, lastSeen) < 0);
  const left = rows.filter((row) => !row.left && !now.has(row.alertId) && within(row)).map((row) => row.alertId);
  for (const id of left) follow(id);
  const others = alerts.filter((alert) => !known.has(alert.alertId));
  // Whoever asks for more gets it at the end. What is new waits.
  /** @param {Listed} alert */
  const follows = (alert) => seen.pages > pages && lastRow && api.order(filters.state, alert, lastRow) > 0;
  const stay = rows.map((row) => now.get(row.alertId) ?? { ...row, left: row.left || left.includes(row.alertId) });
  return { rows: [...stay, ...others.filter(follows)], fresh: others.filter((alert) => !follows(alert)) };
}

/**
 * Finds out what became of an alert that left the list.
 * @param {string} id
 */
async function follow(id) {
  try {
    const { state, history } = await api.alert(id);
    const last = history.findLast((entry) => entry.by);
    change(id, { state, by: last?.by, byName: last?.byName, doneAt: last?.at });
  } catch {
    // The row says as before what it knows.
  }
}

/**
 * Tells the actor and time of an alert's state: from the acts here since the last look, else from the list.
 * @param {Row} row
 * @returns {{ by?: string, byName?: string, at?: string }}
 */
export function done(row) {
  if (row.by) return { by: row.by, byName: row.byName, at: row.doneAt };
  if (row.state === 'resolved') return { by: row.resolvedBy, byName: row.resolvedByName, at: row.resolvedAt };
  return { by: row.acknowledgedBy, byName: row.acknowledgedByName, at: row.acknowledgedAt };
}

/** Takes the new alerts in, and drops those that left. */
export function showFresh() {
  const { value } = inbox;
  if (!value) return;
  const { state } = value.filters;
  const rows = [...value.rows.filter((row) => !row.left), ...value.fresh];
  rows.sort((one, other) => api.order(state, one, other));
  inbox.set({ ...value, rows, fresh: [] });
}

/**
 * Does something about an alert, and shows at once what came of it.
 * @param {string} id
 * @param {'acknowledge' | 'resolve' | 'reopen'} act
 * @param {string} [note]
 */
export async function attend(id, act, note) {
  const { state, by, byName, at } = await send(id, act, note);
  change(id, { state, by, byName, doneAt: at });
}

/**
 * Changes a row where it stands.
 * @param {string} id
 * @param {Partial<Row>} what
 */
export function change(id, what) {
  // A look that is under way may not know it yet.
  wanted = undefined;
  const { value } = inbox;
  if (value) inbox.set({ ...value, rows: value.rows.map((row) => (row.alertId === id ? { ...row, ...what } : row)) });
}
