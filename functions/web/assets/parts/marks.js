/** Severity and state: always a word and a shape, so that nothing is said by colour alone. */

import { t } from '../text.js';
import { html } from '../ui.js';

/** @typedef {import('../api.js').Severity} Severity */
/** @typedef {import('../api.js').State} State */

/** The shapes, on a field of 16 by 16. @type {Record<string, string>} */
const SHAPES = {
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 4v5M8 11v1',
  high: 'M8 1.5 15 14H1zM8 6v4M8 11.5v1',
  moderate: 'M8 1 15 8 8 15 1 8z',
  info: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM8 7v5M8 4v1',
  waiting: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM8 4v4l3 2',
  open: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1z',
  dead: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM5.5 5.5l5 5M10.5 5.5l-5 5',
  quiet: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM4.5 8h7',
  acknowledged: 'M2 8.5 6 12.5 14 4',
  resolved: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM4.5 8.5l2.5 2.5 4.5-5',
  keyboard: 'M1 4h14v9H1zM4 7h1M7.5 7h1M11 7h1M5 10h6',
  menu: 'M2 4h12M2 8h12M2 12h12',
  arrow: 'M15 8H2M7 3 2 8l5 5',
  filter: 'M1 3h14L9.5 9v5l-3-1.5V9z',
};

/**
 * The path of a shape, for a canvas.
 * @param {string} name
 */
export function pathOf(name) {
  return SHAPES[name] ?? '';
}

/** @param {{ name: string }} props */
export function Shape({ name }) {
  return html`<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[name]} /></svg>`;
}

/** @type {Record<State, string>} */
const SHAPE_OF = {
  queued: 'waiting',
  open: 'waiting',
  delivered: 'open',
  dead: 'dead',
  grouped: 'open',
  suppressed: 'quiet',
  acknowledged: 'acknowledged',
  resolved: 'resolved',
};

/**
 * Whether nobody has taken an alert yet.
 * @param {State} state
 */
export function isUntaken(state) {
  return !['acknowledged', 'resolved', 'suppressed'].includes(state);
}

/** @param {{ severity: Severity, state: State }} props Red is for a critical alert that nobody has acknowledged. */
export function SeverityMark({ severity, state }) {
  const red = severity === 'critical' && isUntaken(state);
  return html`<span class="severity ${severity} ${red ? 'urgent' : ''}">
    <${Shape} name=${severity} /> ${t().severity[severity]}
  </span>`;
}

/** @param {{ state: State }} props */
export function StateMark({ state }) {
  return html`<span class="state ${isUntaken(state) ? '' : 'taken'}">
    <${Shape} name=${SHAPE_OF[state]} /> ${t().state[state]}
  </span>`;
}
