/** Rules of alerts in words: the condition as the definition has it, in the language of the screen. */

import { number } from '../formats.js';
import { t } from '../text.js';

/**
 * @typedef {import('../api-setup.js').Condition} Condition
 * @typedef {import('../api-setup.js').Book} Book
 */

const TESTS = /** @type {const} */ (['atLeast', 'above', 'atMost', 'below', 'is', 'in']);

/**
 * A condition in words.
 * @param {Condition} when
 * @param {Book} book
 */
export function ruleInWords(when, book) {
  const words = told(when, book);
  return words.charAt(0).toUpperCase() + words.slice(1) + t().rules.stop;
}

/**
 * @param {Condition} when
 * @param {Book} book
 * @param {boolean} [within] Whether it stands within another one.
 * @returns {string}
 */
function told(when, book, within = false) {
  const text = t().rules;
  if (when.not) return text.not(told(when.not, book));
  for (const kind of /** @type {const} */ (['any', 'all'])) {
    /** @type {Condition[] | undefined} */
    const parts = when[kind];
    if (!parts) continue;
    const same = alike(parts);
    if (same) return text.items[kind](text.list(same.items), tested(same.test));
    const words = parts.map((part) => told(part, book, true)).join(kind === 'any' ? text.or : text.and);
    return within && parts.length > 1 ? text.group(words) : words;
  }
  return one(when, book);
}

/**
 * The items of parts that ask the same of each.
 * @param {Condition[]} parts
 */
function alike(parts) {
  const tests = parts.map(({ item, ...test }) => JSON.stringify(test));
  const same = parts.length > 1 && parts.every(({ item, missing, answered }) => item && !missing && !answered);
  if (!same || new Set(tests).size > 1) return null;
  return { items: parts.map(({ item }) => item), test: JSON.parse(tests[0] ?? '{}') };
}

/** @param {Condition} when @param {Book} book @returns {string} */
function one(when, book) {
  const text = t().rules;
  if (typeof when.item === 'string') {
    const item = named(when.item, book);
    if ('missing' in when) return when.missing ? text.unanswered(item) : text.answered(item);
    if ('answered' in when) return when.answered ? text.answered(item) : text.unanswered(item);
    return text.item(item, tested(when));
  }
  if (when.missing) return text.missingOf(text.list(when.missing), tested(when));
  if (when.answered) return text.answeredOf(text.list(when.answered), tested(when));
  if (when.change) return text.change(scoreOf(when.change, book), text.since[when.since] ?? when.since, tested(when));
  if (when.parameter) return text.item(when.parameter, tested(when));
  if (when.score) return scored(when, book) + (when.certain ? text.certain : '');
  return JSON.stringify(when);
}

/** @param {Condition} when @param {Book} book @returns {string} */
function scored(when, book) {
  const text = t().rules;
  const score = scoreOf(when.score, book);
  if ('notScored' in when) return when.notScored ? text.unscored(score) : text.scored(score);
  if (when.band) {
    const bands = book.scores.find(({ id }) => id === when.score)?.bands;
    const names = [when.band].flat().map((band) => bands?.find(({ id }) => id === band)?.label ?? band);
    return text.band(score, names.map(text.quoted).join(text.or));
  }
  if (typeof when.is === 'boolean') return when.is ? text.holds(score) : text.fails(score);
  return text.item(score, tested(when));
}

/** @param {string} id @param {Book} book An item, with its wording if it has one. */
function named(id, book) {
  const wording = book.items.find((item) => item.id === id)?.text;
  return t().rules.named(wording ? `${id} ${t().rules.quoted(wording)}` : id);
}

/** @param {string} id @param {Book} book */
function scoreOf(id, book) {
  return t().rules.quoted(book.scores.find((score) => score.id === id)?.title ?? id);
}

/** @param {Condition} when What is asked of a figure. */
function tested(when) {
  const text = t().rules;
  const asked = TESTS.filter((test) => when[test] !== undefined);
  return asked.map((test) => text.tests[test]([when[test]].flat().map(figure).join(text.or))).join(text.and);
}

/** @param {unknown} value */
function figure(value) {
  return typeof value === 'number' ? number(value) : String(value);
}
