/** Times, durations and numbers as the chosen language writes them. */

import { language } from './text.js';
import { html, now } from './ui.js';

/** The language as the person's region writes it: `en-GB` for `en`. */
function region() {
  const tag = language();
  return navigator.languages.find((preferred) => preferred.split('-')[0] === tag) ?? tag;
}

/** @type {Map<string, unknown>} */
const made = new Map();

/**
 * A format is expensive to make and cheap to use.
 * @template T
 * @param {string} name
 * @param {(language: string) => T} make
 * @returns {T}
 */
function format(name, make) {
  const key = `${language()} ${name}`;
  if (!made.has(key)) made.set(key, make(region()));
  return /** @type {T} */ (made.get(key));
}

/** @param {number} value */
export function number(value) {
  return format('number', (tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 2 })).format(value);
}

/** @param {string} time */
export function exact(time) {
  const options = /** @type {const} */ ({ dateStyle: 'medium', timeStyle: 'medium' });
  return format('exact', (tag) => new Intl.DateTimeFormat(tag, options)).format(new Date(time));
}

/** @param {string} time */
export function day(time) {
  return format('day', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short' })).format(
    new Date(time),
  );
}

/**
 * Writes the marks of an axis of times.
 * @param {Intl.DateTimeFormatOptions} options
 */
export function marks(options) {
  return format(`marks ${JSON.stringify(options)}`, (tag) => new Intl.DateTimeFormat(tag, options));
}

/** @param {string} time The hour and the minute of a time. */
export function minute(time) {
  const options = /** @type {const} */ ({ timeStyle: 'short' });
  return format('minute', (tag) => new Intl.DateTimeFormat(tag, options)).format(new Date(time));
}

/** @param {Date} time */
export function clock(time) {
  return format('clock', (tag) => new Intl.DateTimeFormat(tag, { timeStyle: 'medium' })).format(time);
}

/** @param {string[]} texts */
export function sorted(texts) {
  const collator = format('sort', (tag) => new Intl.Collator(tag, { numeric: true }));
  return [...texts].sort(collator.compare);
}

/** @param {string[]} texts */
export function list(texts) {
  return format('list', (tag) => new Intl.ListFormat(tag, { type: 'conjunction' })).format(texts);
}

/**
 * A duration in its two largest units: `4m 12s`, `3h 5m`, `2d 4h`.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [d, h, m, s] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const parts = d
    ? { days: d, hours: h }
    : h
      ? { hours: h, minutes: m }
      : m
        ? { minutes: m, seconds: s }
        : { seconds: s };
  if (!('DurationFormat' in Intl))
    return Object.entries(parts)
      .map(([unit, count]) => count + unit.charAt(0))
      .join(' ');
  const options = { style: 'narrow', secondsDisplay: d || h ? 'auto' : 'always' };
  // @ts-expect-error: not every compiler knows it yet.
  return format(`duration ${options.secondsDisplay}`, (tag) => new Intl.DurationFormat(tag, options)).format(parts);
}

/**
 * A time near now in words: `4 min ago`, `in 20 sec`.
 * @param {number} ms The time minus now.
 */
export function relative(ms) {
  const steps = /** @type {const} */ ([
    ['day', 86400000],
    ['hour', 3600000],
    ['minute', 60000],
    ['second', 1000],
  ]);
  const [unit, size] = steps.find(([, size]) => Math.abs(ms) >= size) ?? ['second', 1000];
  const options = /** @type {const} */ ({ style: 'short', numeric: 'auto' });
  return format('relative', (tag) => new Intl.RelativeTimeFormat(tag, options)).format(Math.trunc(ms / size), unit);
}

/**
 * A time: near now in words, exact on hover and focus.
 * @param {{ time: string }} props
 */
export function When({ time }) {
  const at = Date.parse(time);
  return html`<time class="when" tabindex="0" datetime=${time} data-exact=${exact(time)}>${relative(at - now.use())}</time>`;
}

/**
 * How long ago a time is, as a running clock. The exact time shows on hover, and when the row it stands in has the focus.
 * @param {{ time: string }} props
 */
export function Age({ time }) {
  const at = Date.parse(time);
  return html`<time class="when age" datetime=${time} data-exact=${exact(time)}>${duration(now.use() - at)}</time>`;
}

/**
 * A time to come in words; a time that has passed is now.
 * @param {{ time: string }} props
 */
export function Due({ time }) {
  const left = Math.max(0, Date.parse(time) - now.use());
  return html`<time class="when" tabindex="0" datetime=${time} data-exact=${exact(time)}>${relative(left)}</time>`;
}
