/** The attempts at a receiver: when, with what outcome, how long. */

import { number, When } from '../formats.js';
import { t } from '../text.js';
import { html } from '../ui.js';

/** More than these are folded in. */
const FEW = 3;

/** @param {{ attempts: import('../api.js').Attempt[], count: number }} props `count`: with those that are no longer kept. */
export function Attempts({ attempts, count }) {
  const text = t().alert;
  if (!attempts.length) return null;
  return html`<details class="attempts" open=${attempts.length <= FEW}>
    <summary>${text.attempts(count)}</summary>
    <ol>
      ${attempts.map(
        (attempt) => html`<li>
          <${When} time=${attempt.at} />
          <span>${text.attempt[attempt.outcome] ?? attempt.outcome}${attempt.status ? ` (${attempt.status})` : ''}</span>
          <span class="quiet">${text.took(number(attempt.tookMs))}</span>
        </li>`,
      )}
    </ol>
  </details>`;
}
