/**
 * The language of the screens: from the address (`?lang=zh`), else from this tab, else from the browser. A language is one
 * file in `lang/`; the page names the files that are there.
 */

import { address, go, place } from './router.js';
import { Followed } from './ui.js';

/** @typedef {typeof import('./lang/en.js').default} Text */

const KEY = 'vigil.lang';

/** The languages that there are. */
export const languages = (document.documentElement.dataset.languages ?? 'en').split(' ');

/** @type {Followed<{ language: string, text: Text } | null>} */
export const chosen = new Followed(/** @type {{ language: string, text: Text } | null} */ (null));

/** The texts in the chosen language. */
export function t() {
  if (!chosen.value) throw new Error('no language is loaded yet');
  return chosen.value.text;
}

/** The chosen language. */
export function language() {
  return chosen.value?.language ?? 'en';
}

/**
 * The name of a band in the chosen language, where it has one.
 * @param {string} name
 */
export function bandWord(name) {
  return t().bands[name] ?? name;
}

function wanted() {
  const named = place.value.query.get('lang') ?? sessionStorage.getItem(KEY);
  const preferred = [named, ...navigator.languages].map((tag) => tag?.split('-')[0] ?? '');
  return preferred.find((tag) => languages.includes(tag)) ?? 'en';
}

/** Loads the language that is wanted now. */
export async function load() {
  const language = wanted();
  if (chosen.value?.language === language) return;
  /** @type {{ default: Text }} */
  const { default: text } = await import(`./lang/${language}.js`);
  document.documentElement.lang = text.tag;
  chosen.set({ language, text });
}

/** @param {string} language */
export function choose(language) {
  sessionStorage.setItem(KEY, language);
  const query = { ...Object.fromEntries(place.value.query), lang: language };
  go(address(location.pathname, query), { replace: true });
}

/**
 * The name of a language in itself.
 * @param {string} tag
 */
export function nameOf(tag) {
  return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
}
