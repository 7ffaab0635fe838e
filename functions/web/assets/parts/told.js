/** Tells in a line who was told of an alert and when, and what comes next; or who took it. */

import { list, When } from '../formats.js';
import { t } from '../text.js';
import { html } from '../ui.js';
import { actor } from './act.js';
import { done } from './inbox.js';
import { isUntaken } from './marks.js';
import { Next } from './next.js';

/** @typedef {import('./inbox.js').Row} Row */

/** @param {{ row: Row }} props */
export function Told({ row }) {
  return html`<p class="row-told">${isUntaken(row.state) ? html`<${Waiting} row=${row} />` : html`<${Done} row=${row} />`}</p>`;
}

/** @param {{ row: Row }} props Who took it, and when. */
function Done({ row }) {
  const { by, byName, at } = done(row);
  if (!by || !at) return null;
  return html`<span>${t().alert.by(actor(by, byName))} <${When} time=${at} /></span>`;
}

/** @param {{ row: Row }} props Who was told and when, and what comes next. */
function Waiting({ row }) {
  const told = row.deliveries.filter(({ state }) => state === 'delivered');
  const failing = row.deliveries.filter(({ state }) => state === 'pending' || state === 'dead');
  return html`
    ${
      told.length > 0 &&
      html`<span>${t().told.by(list(told.map(({ receiver }) => receiver)))}
        ${row.deliveredAt && html` <${When} time=${row.deliveredAt} />`}</span>`
    }
    ${!told.length && !failing.length && row.state !== 'grouped' && html`<span>${t().told.none}</span>`}
    ${failing.map(
      ({ receiver, attempts }) =>
        html`<span>${attempts ? t().told.failing(receiver, attempts) : t().told.waiting(receiver)}</span>`,
    )}
    ${row.nextAt && html`<span>${t().told.next} <${Next} time=${row.nextAt} deliveries=${row.deliveries} /></span>`}
  `;
}
