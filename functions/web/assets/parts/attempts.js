/** The attempts at a receiver: when, with what outcome, how long. As a table, and the last of them as a small picture. */

import { day, number, When } from '../formats.js';
import { t } from '../text.js';
import { html } from '../ui.js';
import { pathOf, Shape } from './marks.js';

/** @typedef {import('../api.js').Attempt} Attempt */

/** More than these are folded in. */
const FEW = 3;

/** @param {{ attempts: Attempt[], count: number, of: string, picture?: boolean }} props `count`: with those that are no longer kept. `of`: the receiver. */
export function Attempts({ attempts, count, of, picture = false }) {
  const text = t().alert;
  if (!attempts.length) return null;
  return html`${picture && html`<${Picture} attempts=${attempts} />`}
    <details class="attempts" open=${attempts.length <= FEW && !picture}>
      <summary>${text.attempts(count)}</summary>
      <table>
        <caption class="unseen">${t().attempts.at(of)}</caption>
        <thead>
          <tr>
            <th scope="col">${t().attempts.when}</th>
            <th scope="col">${t().attempts.outcome}</th>
            <th scope="col" class="right">${t().attempts.took}</th>
          </tr>
        </thead>
        <tbody>
          ${attempts.map(
            (attempt) => html`<tr>
              <td><${When} time=${attempt.at} /></td>
              <td>${outcomeOf(attempt)}</td>
              <td class="right">${text.took(number(attempt.tookMs))}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </details>`;
}

/** @param {Attempt} attempt */
export function outcomeOf({ outcome, status }) {
  return `${t().alert.attempt[outcome] ?? outcome}${status ? ` (${status})` : ''}`;
}

/** @type {Record<string, string>} */
const SHAPE_OF = { delivered: 'acknowledged', answered: 'quiet', 'timed-out': 'waiting' };

/** @param {string} outcome */
export function shapeOf(outcome) {
  return SHAPE_OF[outcome] ?? 'dead';
}

/** A picture of so many attempts; each has a column. */
const MOST = 20;
const COLUMN = 18;
const BAR = 34;
const FOOT = 56;

/** @param {{ attempts: Attempt[] }} props The latest stands at the right. A bar is as high as the attempt was long. */
function Picture({ attempts }) {
  const text = t().attempts;
  const shown = [...attempts].slice(0, MOST).reverse();
  const longest = Math.max(1, ...shown.map(({ tookMs }) => tookMs));
  // An attempt of some milliseconds is seen beside one of ten seconds.
  const height = (/** @type {number} */ ms) => Math.max(2, (BAR * Math.log1p(ms)) / Math.log1p(longest));
  const outcomes = [...new Set(shown.map(({ outcome }) => outcome))];
  const counts = outcomes.map((outcome) => ({
    outcome,
    count: shown.filter((one) => one.outcome === outcome).length,
  }));
  const words = counts.map(({ outcome, count }) => text.counted(t().alert.attempt[outcome] ?? outcome, count));
  const [first, last] = [shown[0], shown.at(-1)];
  return html`<figure class="attempts-picture">
    <svg viewBox=${`0 0 ${MOST * COLUMN} ${FOOT + 2}`} role="img" aria-label=${text.picture(shown.length, words.join(', '))}>
      ${shown.map((attempt, n) => {
        const left = (MOST - shown.length + n) * COLUMN;
        const high = height(attempt.tookMs);
        return html`<g>
          <title>${`${day(attempt.at)}: ${outcomeOf(attempt)}, ${t().alert.took(number(attempt.tookMs))}`}</title>
          <path class="shape" transform=${`translate(${left + 2.5} 1) scale(0.8)`} d=${pathOf(shapeOf(attempt.outcome))} />
          <rect class=${attempt.outcome === 'delivered' ? 'taken' : ''} x=${left + 4} y=${FOOT - high} width="10" height=${high} />
        </g>`;
      })}
      <path class="foot" d=${`M0 ${FOOT}.5H${MOST * COLUMN}`} />
    </svg>
    <figcaption>
      ${
        first &&
        last &&
        html`<span class="ends"><${When} time=${first.at} />${shown.length > 1 && html`<${When} time=${last.at} />`}</span>`
      }
      <ul class="chart-legend">
        ${counts.map(
          ({ outcome, count }) =>
            html`<li><${Shape} name=${shapeOf(outcome)} /> ${text.counted(t().alert.attempt[outcome] ?? outcome, count)}</li>`,
        )}
        <li class="quiet">${text.longest(number(longest))}</li>
      </ul>
    </figcaption>
  </figure>`;
}
