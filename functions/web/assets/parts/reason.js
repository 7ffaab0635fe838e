/**
 * The reason of an alert in words: what was answered, in the instrument's own wording where it has one. The API's sentence is
 * taken apart for it; a part that is not known is shown as it is.
 */

import { codebook } from '../api.js';
import { bandWord, t } from '../text.js';
import { html, useLoaded } from '../ui.js';

/** @typedef {import('../api.js').Codebook} Codebook */

/** The codebook of an instrument, once it is there. @param {string | undefined} instrument @param {string} [version] */
export function useCodebook(instrument, version) {
  const load = async () => (instrument ? codebook(instrument, version) : null);
  return useLoaded(load, [instrument, version]).data ?? null;
}

/**
 * The API's sentence in the language of the screen.
 * @param {string} reason
 */
export function inWords(reason) {
  const parts = reason.split(/( and |, (?=rule: ))/).map((part) => {
    if (part === ' and ' || part === ', ') return t().joints[part];
    return translated(part);
  });
  // Half a translation is worse than none.
  const words = parts.includes(null) ? reason : parts.join('');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * The demand of the rule of an alert, without what was answered: `1 or more`. Empty if the reason does not say.
 * @param {string} reason
 */
export function conditions(reason) {
  const named = reason.split(' and ').flatMap((part) => part.split(', rule: ').slice(1));
  const prefix = t().joints['rule: '];
  const words = named.map((demand) => (translated(`rule: ${demand}`) ?? demand).replace(prefix, ''));
  return [...new Set(words)].join(t().joints[' and ']);
}

/** @param {string} part */
function translated(part) {
  const patterns = t().reasons;
  if (!patterns.length) return part;
  const known = patterns.find(([pattern]) => pattern.test(part));
  return known ? part.replace(known[0], known[1]) : null;
}

/**
 * What demanded the alert, without the rule.
 * @param {string} reason
 * @param {Codebook | null} book
 */
function headline(reason, book) {
  const parts = reason.split(' and ').map((part) => part.split(', rule: ')[0] ?? part);
  const told = parts.map((part) => (book && (item(part, book) ?? score(part, book))) ?? translated(part) ?? part);
  const words = told.join(t().joints[' and ']);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {string} part @param {Codebook} book */
function item(part, book) {
  const [, id, answer] = /^item (\S+) is (\S+)$/.exec(part) ?? [];
  const item = book.items.find((item) => item.id === id);
  if (!item?.text || !answer) return null;
  if (answer === 'missing') return `${item.text} – ${t().answers.missing}`;
  return `${item.text} – ${labelled(item, Number(answer)) ?? answer}`;
}

/** @param {string} part @param {Codebook} book */
function score(part, book) {
  const [, id, figure, band] = /^score (\S+) is (\S+?)(?: \((\S+)\))?$/.exec(part) ?? [];
  const score = book.scores.find((score) => score.id === id);
  if (!score?.title) return null;
  if (figure === 'true' || figure === 'false') return score.title;
  const label = score.bands?.find(({ id }) => id === band)?.label ?? band;
  return label ? `${score.title} ${figure} – ${bandWord(label)}` : `${score.title} ${figure}`;
}

/**
 * The wording of an answer.
 * @param {import('../api.js').Item} item
 * @param {unknown} value
 */
export function labelled(item, value) {
  return item.options?.find((option) => option.value === value || option.code === value)?.label;
}

/**
 * The demand of an alert, as a text. It changes once the codebook is there.
 * @param {{ reason: string, instrument: string }} alert
 */
export function useHeadline({ reason, instrument }) {
  return headline(reason, useCodebook(instrument));
}

/** @param {{ alert: { reason: string, instrument: string } }} props */
export function Headline({ alert }) {
  return html`${useHeadline(alert)}`;
}

/**
 * The items that a reason names, so that their answers can be marked.
 * @param {string} reason
 */
export function itemsOf(reason) {
  return new Set([...reason.matchAll(/\bitem (\S+) is/g)].map(([, id]) => id ?? ''));
}
