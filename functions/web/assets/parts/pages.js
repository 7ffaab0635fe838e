/** What a screen shows in place of content: it loads, nothing is there, or something went wrong and what to do. */

import { Refusal } from '../api.js';
import { t } from '../text.js';
import { html } from '../ui.js';

/** @param {{ title: string, help?: string, children?: import('../ui.js').Children }} props */
export function Notice({ title, help, children }) {
  return html`<div class="notice">
    <p class="notice-title">${title}</p>
    ${help && html`<p>${help}</p>`} ${children}
  </div>`;
}

/** @param {{ lines?: number, label?: string }} props The frame of what comes. */
export function Loading({ lines = 5, label }) {
  return html`<div class="loading" role="status">
    <span class="unseen">${label ?? t().state_of.loading}</span>
    ${Array.from({ length: lines }, () => html`<div class="bone"></div>`)}
  </div>`;
}

/** @param {unknown} error */
export function kindOf(error) {
  return error instanceof Refusal ? error.kind : 'failed';
}

/**
 * Why a form was refused, as one text: its findings, or what happened and what to do.
 * @param {unknown} error
 */
export function whyOf(error) {
  const kind = kindOf(error);
  const findings = error instanceof Refusal ? error.findings : [];
  if (findings.length) return findings.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
  return `${t().state_of[kind]}. ${t().state_of[`${kind}Help`]}`;
}

/** @param {{ error: unknown, again?: () => void }} props */
export function Failure({ error, again }) {
  const kind = kindOf(error);
  const may = again && ['offline', 'busy', 'failed', 'conflict'].includes(kind);
  const detail = error instanceof Refusal && ['failed', 'conflict'].includes(kind) ? error.detail : '';
  return html`<div role="alert">
    <${Notice} title=${t().state_of[kind]} help=${t().state_of[`${kind}Help`]}>
      ${detail && html`<p class="quiet" lang="en">${detail}</p>`}
      ${may && html`<button type="button" onClick=${again}>${t().state_of.again}</button>`}
    <//>
  </div>`;
}

/** @param {{ error: unknown, again: () => void }} props Says that what is shown is old. */
export function Stale({ error, again }) {
  const kind = kindOf(error);
  return html`<div class="stale" role="status">
    <span><strong>${t().state_of[kind]}.</strong> ${t().state_of[`${kind}Help`]}</span>
    <button type="button" onClick=${again}>${t().state_of.again}</button>
  </div>`;
}
