/** The next step of an alert, and its time; whom it waits for, if the time has passed. */

import { list, When } from '../formats.js';
import { t } from '../text.js';
import { html, now } from '../ui.js';

/** @typedef {{ receiver: string, state: string, nextAt?: string }} Waiting */

/** @param {{ time: string, deliveries?: Waiting[] }} props `deliveries`: at whom it may wait. */
export function Next({ time, deliveries = [] }) {
  const at = now.use();
  if (Date.parse(time) > at) return html`<${When} time=${time} />`;
  const late = (/** @type {Waiting} */ one) => one.state === 'pending' && Date.parse(one.nextAt ?? time) <= at - GRACE;
  const names = deliveries.filter(late).map(({ receiver }) => receiver);
  return html`<span>${names.length ? t().told.waitsFor(list(names)) : t().told.due}</span>`;
}

/** A call that is due may take so long to begin, milliseconds. */
const GRACE = 5000;
