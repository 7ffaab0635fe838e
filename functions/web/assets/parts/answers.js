/** What a submission says: answers by item, the data of a report, and the scores that came of them. */

import { list, number } from '../formats.js';
import { bandWord, t } from '../text.js';
import { html } from '../ui.js';
import { Shape } from './marks.js';
import { labelled } from './reason.js';

/**
 * @typedef {import('../api.js').Codebook} Codebook
 * @typedef {import('../api.js').Score} Score
 */

/**
 * @param {{ kind?: string, content: Record<string, unknown>, book: Codebook | null, demanded?: Set<string> }} props
 *   `demanded`: the items that demanded an alert.
 */
export function Content({ kind, content, book, demanded = new Set() }) {
  if (kind !== 'response') return html`<${Data} content=${content} />`;
  const items = book?.items ?? Object.keys(content).map((id) => ({ id, text: undefined }));
  return html`<table class="answers">
    <thead>
      <tr><th scope="col">${t().answers.item}</th><th scope="col">${t().answers.answer}</th></tr>
    </thead>
    <tbody>
      ${items.map(
        (item) => html`<tr key=${item.id} class=${demanded.has(item.id) ? 'demanded' : ''}>
          <th scope="row">
            <div class="item">
            <span class="item-id">${item.id}</span> <span class="item-text">${item.text}</span>
            ${
              demanded.has(item.id) &&
              html`<span class="demand"><${Shape} name="arrow" /> ${t().answers.demanded}</span>`
            }
            </div>
          </th>
          <td><${Answer} item=${item} value=${content[item.id]} /></td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** @param {{ item: { id: string }, value: unknown }} props */
function Answer({ item, value }) {
  if (value === undefined || value === null) return html`<span class="quiet">${t().answers.missing}</span>`;
  const label = labelled(/** @type {import('../api.js').Item} */ (item), value);
  return label ? html`${label} <span class="figure">${plain(value)}</span>` : html`${plain(value)}`;
}

/** @param {unknown} value */
function plain(value) {
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return value ? t().answers.yes : t().answers.no;
  return t().answers.codes[String(value)] ?? String(value);
}

/** @param {{ content: Record<string, unknown> }} props The data of a report, whatever their form; known members first. */
function Data({ content }) {
  const known = Object.keys(t().answers.members);
  const rank = (/** @type {string} */ name) => (known.includes(name) ? known.indexOf(name) : known.length);
  const members = Object.entries(content).sort(([one], [other]) => rank(one) - rank(other));
  return html`<dl class="data">
    ${members
      .flatMap(([name, value]) => flat(value, [name]))
      .map(([path, value]) => html`<div><dt>${path.map(worded).join(' › ')}</dt><dd>${plain(value)}</dd></div>`)}
  </dl>`;
}

/** @param {string} member */
function worded(member) {
  return t().answers.members[member] ?? member;
}

/**
 * @param {unknown} value
 * @param {string[]} path
 * @returns {[string[], unknown][]}
 */
function flat(value, path) {
  if (value === null || typeof value !== 'object') return [[path, value]];
  const many = Array.isArray(value);
  if (many && value.every((one) => typeof one === 'string')) return [[path, list(value.map(plain))]];
  return Object.entries(value).flatMap(([name, part]) => flat(part, [...path, many ? String(Number(name) + 1) : name]));
}

/**
 * @param {{ id: string }} score
 * @param {Codebook | null} book
 */
export function titleOf(score, book) {
  return book?.scores.find(({ id }) => id === score.id)?.title ?? score.id;
}

/**
 * The wording of a band of a score.
 * @param {string} score
 * @param {unknown} band
 * @param {Codebook | null} book
 */
export function bandOf(score, band, book) {
  const bands = book?.scores.find(({ id }) => id === score)?.bands;
  // A score that is a band itself has those of another.
  const all = bands ?? book?.scores.flatMap(({ bands = [] }) => bands);
  const name = all?.find(({ id }) => id === band)?.label ?? String(band ?? '');
  return bandWord(name);
}

/**
 * @param {{ id: string, value: Score['value'] }} score
 * @param {Codebook | null} book
 */
export function figureOf(score, book) {
  if (score.value === null) return t().answers.notScored;
  if (typeof score.value === 'string') return bandOf(score.id, score.value, book);
  return plain(score.value);
}

/** @param {{ scores: Score[], book: Codebook | null }} props */
export function Scores({ scores, book }) {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">${t().answers.score}</th>
        <th scope="col" class="right">${t().answers.value}</th>
        <th scope="col">${t().answers.band}</th>
      </tr>
    </thead>
    <tbody>
      ${scores.map((score) => {
        const range = book?.scores.find(({ id }) => id === score.id);
        const most = typeof score.value === 'number' && range?.high !== undefined ? ` / ${number(range.high)}` : '';
        return html`<tr key=${score.id}>
          <th scope="row">${titleOf(score, book)}</th>
          <td class="right ${score.value === null ? 'quiet' : ''}">
            ${figureOf(score, book)}${most && html`<span class="quiet">${most}</span>`}
          </td>
          <td>
            ${score.band && bandOf(score.id, score.band, book)}
            ${score.status === 'prorated' && html`<span class="quiet"> ${t().answers.prorated}</span>`}
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}
