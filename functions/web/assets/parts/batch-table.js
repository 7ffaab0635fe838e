/** The rows of a batch in a table: a hundred at a time, so that it stays fluid however many there are. */

import { number } from '../formats.js';
import { t } from '../text.js';
import { html, useEffect, useState } from '../ui.js';
import { Fault } from './finding.js';
import { Shape } from './marks.js';

/** @typedef {import('./rows.js').Row} Row */

const PAGE = 100;
/** The most findings of a row that are shown. */
const FEW = 5;

/** @param {{ rows: Row[], faulty: Row[], step: string }} props */
export function Pages({ rows, faulty, step }) {
  const text = t().batch;
  const [only, setOnly] = useState(false);
  const [page, setPage] = useState(0);
  // What has faults comes first into view once they are known.
  useEffect(() => {
    if (step === 'checked') setOnly(faulty.length > 0);
    setPage(0);
  }, [step]);
  const shown = only ? faulty : rows;
  const last = Math.max(0, Math.ceil(shown.length / PAGE) - 1);
  const at = Math.min(page, last);
  const some = shown.slice(at * PAGE, (at + 1) * PAGE);
  return html`<section class="panel">
    <div class="panel-head">
      <h2>${text.rows}</h2>
      <label class="tick">
        <input type="checkbox" checked=${only} onChange=${() => {
          setOnly(!only);
          setPage(0);
        }} />
        ${text.only(number(faulty.length))}
      </label>
    </div>
    ${!shown.length && html`<p class="quiet">${text.noneFaulty}</p>`}
    ${
      some.length > 0 &&
      html`<table class="batch">
        <thead>
          <tr>
            <th scope="col" class="right">${text.row}</th>
            <th scope="col">${text.about}</th>
            <th scope="col">${text.findings}</th>
          </tr>
        </thead>
        <tbody>
          ${some.map(
            (row) => html`<tr key=${row.n}>
              <th scope="row" class="right">${number(row.n)}</th>
              <td class="about">${row.about}</td>
              <td><${State} row=${row} /></td>
            </tr>`,
          )}
        </tbody>
      </table>`
    }
    ${
      last > 0 &&
      html`<nav class="buttons pager" aria-label=${text.pages}>
        <button type="button" disabled=${at === 0} onClick=${() => setPage(at - 1)}>${text.before}</button>
        <span>${text.span(number(at * PAGE + 1), number(at * PAGE + some.length), number(shown.length))}</span>
        <button type="button" disabled=${at === last} onClick=${() => setPage(at + 1)}>${text.after}</button>
      </nav>`
    }
  </section>`;
}

/** @type {Record<string, string>} */
const SHAPE_OF = {
  accepted: 'resolved',
  duplicate: 'acknowledged',
  conflict: 'high',
  rejected: 'high',
  'not-processed': 'waiting',
};

/** @param {{ row: Row }} props What is wrong with a row, or what became of it. */
function State({ row: { findings, more, outcome } }) {
  const text = t().batch;
  if (findings?.length) {
    const rest = findings.length - FEW + more;
    return html`<ul class="faults">
      ${findings.slice(0, FEW).map(
        ({ pointer, detail, code }) => html`<li>
          <${Shape} name="high" /> ${pointer && html`<code>${pointer.slice(1).replaceAll('/', '.')}</code>`}
          ${code === 'no-json' ? html` <span>${text.noJson}</span>` : html` <${Fault} code=${code} detail=${detail} />`}
        </li>`,
      )}
      ${rest > 0 && html`<li class="quiet">${text.moreFaults(number(rest))}</li>`}
    </ul>`;
  }
  if (outcome)
    return html`<span class="state"><${Shape} name=${SHAPE_OF[outcome] ?? 'open'} /> ${text.outcome[outcome]}</span>`;
  if (findings) return html`<span class="state taken"><${Shape} name="acknowledged" /> ${text.good}</span>`;
  return html`<span class="quiet">${text.notYet}</span>`;
}
