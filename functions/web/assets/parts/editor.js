/** A field for JSON with line numbers, the findings at their lines, and the difference between two texts. */

import { t } from '../text.js';
import { html, useMemo, useRef } from '../ui.js';
import { hunks, lineDiff } from './diff.js';
import { Fault } from './finding.js';
import { Shape } from './marks.js';
import { placeOf, readPlaces, spanOf } from './places.js';

/** @typedef {import('../api.js').Finding} Finding */

/**
 * @param {{ label: string, text: string, findings: Finding[], onInput: (text: string) => void, id?: string,
 *   children?: import('../ui.js').Children }} props `id`: of the list of findings, where there are several.
 */
export function Editor({ label, text, findings, onInput, id = 'findings', children }) {
  const words = t().configuration;
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const gutter = useRef(/** @type {HTMLElement | null} */ (null));
  const { places, wrong } = useMemo(() => readPlaces(text), [text]);
  const told = wrong
    ? [{ line: wrong, pointer: '', code: '', detail: words.noJson }]
    : findings.map((one) => ({ ...one, line: placeOf(places, one.pointer) }));
  const marked = new Set(told.map(({ line }) => line));
  const numbers = Array.from({ length: text.split('\n').length }, (_, at) => {
    return `${marked.has(at + 1) ? '▸ ' : ''}${at + 1}`;
  }).join('\n');
  /** @param {number} line */
  const jump = (line) => {
    const area = field.current;
    if (!area) return;
    area.focus();
    area.setSelectionRange(...spanOf(text, line));
    area.scrollTop = Math.max(0, (line - 4) * Number.parseFloat(getComputedStyle(area).lineHeight));
    area.scrollLeft = 0;
  };
  const follow = () => {
    if (gutter.current && field.current) gutter.current.scrollTop = field.current.scrollTop;
  };
  return html`<div class="editing">
    <div class="editor">
      <pre class="gutter" aria-hidden="true" ref=${gutter}>${numbers}</pre>
      <textarea
        ref=${field}
        aria-label=${label}
        aria-invalid=${told.length > 0}
        aria-describedby=${id}
        wrap="off"
        spellcheck=${false}
        autocapitalize="off"
        autocomplete="off"
        value=${text}
        onScroll=${follow}
        onInput=${(/** @type {Event & { currentTarget: HTMLTextAreaElement }} */ event) => onInput(event.currentTarget.value)}
      ></textarea>
    </div>
    <div class="stack">
      <section id=${id} class="panel" aria-live="polite">
        <h2>${words.findings}</h2>
        ${!told.length && html`<p class="quiet">${words.noFindings}</p>`}
        <ul class="findings">
          ${told.map(
            ({ line, pointer, code, detail }) => html`<li key=${`${pointer} ${detail}`}>
              <button type="button" class="finding" onClick=${() => jump(line)}>
                <span class="finding-line"><${Shape} name="high" /> ${words.line(line)}</span>
                ${pointer && html`<code>${pointer}</code>`}
                ${code ? html`<${Fault} code=${code} detail=${detail} />` : html`<span>${detail}</span>`}
              </button>
            </li>`,
          )}
        </ul>
      </section>
      ${children}
    </div>
  </div>`;
}

const SIGNS = { same: ' ', less: '−', more: '+' };

/** @param {{ before: string, after: string }} props */
export function Difference({ before, after }) {
  const words = t().configuration;
  const lines = useMemo(() => lineDiff(before, after), [before, after]);
  const [less, more] = /** @type {const} */ (['less', 'more']).map((kind) => count(lines, kind));
  if (!less && !more) return html`<p class="quiet">${words.noDifference}</p>`;
  return html`<p>${words.changed(more ?? 0, less ?? 0)}</p>
    <div class="difference" role="region" tabindex="0" aria-label=${words.difference}>
      <table>
        <tbody>
          ${hunks(lines).map((part) =>
            'skipped' in part
              ? html`<tr class="skipped"><td></td><td>${words.skipped(part.skipped)}</td></tr>`
              : html`<tr class=${part.kind}>
                  <td>${SIGNS[part.kind]}<span class="unseen">${part.kind === 'same' ? '' : words[part.kind]}</span></td>
                  <td><code>${part.text}</code></td>
                </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

/** @param {import('./diff.js').Line[]} lines @param {string} kind */
function count(lines, kind) {
  return lines.filter((line) => line.kind === kind).length;
}
