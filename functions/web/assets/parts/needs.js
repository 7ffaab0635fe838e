/**
 * Lists the things that wait for a person: receivers that are not called, what was given up, alerts that nobody has acknowledged. Of the
 * lists that the key may read, or else of the figures.
 */

import { deadLetters, PAGE, receivers, SEVERITIES, untaken } from '../api.js';
import { number } from '../formats.js';
import { address } from '../router.js';
import { t } from '../text.js';
import { html } from '../ui.js';
import { SeverityMark, Shape } from './marks.js';
import { isCutOff, Stand } from './receiver.js';

/**
 * @typedef {import('../api.js').Counts} Counts
 * @typedef {{ receivers: import('../api.js').Receiver[] | null, dead: { count: number, more: boolean } | null,
 *   alerts: Counts | null }} Lists Null: the key may not read it.
 * @typedef {{ name: string, labels: Record<string, string>, value: number }} Sample
 */

/**
 * @param {{ operate?: boolean, read?: boolean }} may
 * @returns {Promise<Lists>}
 */
export async function readLists({ operate, read }) {
  const [all, dead, alerts] = await Promise.all([
    operate ? receivers() : null,
    operate ? deadLetters() : null,
    read ? untaken() : null,
  ]);
  return { receivers: all, dead: dead && { count: dead.deadLetters.length, more: dead.more }, alerts };
}

/**
 * The samples of a text in OpenMetrics.
 * @param {string} text
 * @returns {Sample[]}
 */
function samplesOf(text) {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name) return [];
    const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, word]) => [key, word]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** @param {Sample[]} samples @returns {Counts} */
function countsOf(samples) {
  /** @type {Record<string, Record<string, number>>} */
  const counts = {};
  for (const { name, labels, value } of samples) {
    const { state = '', severity = '' } = labels;
    if (name === 'vigil_alerts') counts[state] = { ...counts[state], [severity]: value };
  }
  return counts;
}

/** @param {{ lists: Lists, figures: string }} props */
export function Needs({ lists, figures }) {
  const samples = samplesOf(figures);
  const items = [
    ...alertsOf(lists.alerts ?? countsOf(samples), lists.alerts !== null),
    ...(lists.receivers ? lists.receivers.filter(isCutOff).map(receiverOf) : measured(samples)),
    ...deadOf(lists.dead, samples),
  ];
  const text = t().needs;
  const known = new Set(samples.map(({ name }) => name));
  const all = (lists.alerts ?? known.has('vigil_alerts')) && (lists.dead ?? known.has('vigil_dead_letters'));
  const nothing = all ? text.nothing : text.nothingSeen;
  return html`<section class="panel">
    <h2>${text.title}</h2>
    ${items.length ? html`<ul class="needs">${items.map((item) => html`<li>${item}</li>`)}</ul>` : html`<p>${nothing}</p>`}
  </section>`;
}

/** The states of an alert that nobody has acknowledged, and those of them in which nobody was reached. */
const UNTAKEN = /** @type {const} */ (['grouped', 'open', 'delivered', 'dead']);
const UNHEARD = /** @type {const} */ (['open', 'dead']);

/** @param {Counts} counts @param {boolean} may Whether the key may see them. */
function alertsOf(counts, may) {
  return SEVERITIES.flatMap((severity) => {
    const sum = (/** @type {readonly import('../api.js').State[]} */ states) =>
      states.reduce((all, state) => all + (counts[state]?.[severity] ?? 0), 0);
    const count = sum(UNTAKEN);
    if (!count) return [];
    const words = t().needs.alerts(number(count), count, sum(UNHEARD));
    return [
      html`<${SeverityMark} severity=${severity} state="open" /> ${link(may && address('/inbox', { severity }), words)}`,
    ];
  });
}

/** @param {string | false} to @param {string} words */
function link(to, words) {
  return to ? html`<a href=${to}>${words}</a>` : html`<span>${words}</span>`;
}

/** @param {import('../api.js').Receiver} receiver */
function receiverOf(receiver) {
  return html`<a href=${address('/deliveries')}>${t().needs.receiver(receiver.receiver)}</a>
    <span class="state"><${Stand} receiver=${receiver} /></span>`;
}

/** @param {Sample[]} samples Receivers, as far as figures tell of them. */
function measured(samples) {
  const text = t().needs;
  const words = samples.flatMap(({ name, labels: { receiver = '', state }, value }) =>
    name === 'vigil_receiver_breaker' && state !== 'closed' && value === 1 ? [text.breaker(receiver)] : [],
  );
  const disabled = samples.find(({ name }) => name === 'vigil_receivers_disabled')?.value ?? 0;
  if (disabled) words.push(text.disabled(number(disabled), disabled));
  return words.map((word) => html`<${Shape} name="dead" /> <span>${word}</span>`);
}

/** @param {Lists['dead']} dead @param {Sample[]} samples */
function deadOf(dead, samples) {
  const count = dead?.count ?? samples.find(({ name }) => name === 'vigil_dead_letters')?.value ?? 0;
  if (!count) return [];
  const words = t().needs.dead(dead?.more ? `${number(PAGE)}+` : number(count), count);
  return [html`<${Shape} name="dead" /> ${link(dead !== null && address('/deliveries'), words)}`];
}
