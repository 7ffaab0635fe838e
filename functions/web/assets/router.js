/** Addresses: which screen is shown, of which thing, with which filters. Everything that can be sent to somebody is here. */

import { Followed } from './ui.js';

/** @typedef {{ screen: string, id: string, view: string, query: URLSearchParams }} Place `view`: another way to see the same. */

/** @returns {Place} */
function read() {
  const [screen = '', id = '', view = ''] = location.pathname.split('/').slice(1).map(part);
  return { screen: screen || 'inbox', id, view, query: new URLSearchParams(location.search) };
}

/** @param {string} text */
function part(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Where we are. */
export const place = new Followed(read());

/**
 * The address of a screen. The language of this address goes along.
 * @param {string} path
 * @param {Record<string, string>} [query] Members that are empty are left out.
 */
export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
  const language = place.value.query.get('lang');
  if (language && !parameters.has('lang')) parameters.set('lang', language);
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Goes to an address; or, with `replace`, changes the address of where we are.
 * @param {string} to
 * @param {{ replace?: boolean }} [how]
 */
export function go(to, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  place.set(read());
  if (!replace) scrollTo(0, 0);
}

/**
 * Changes filters in the address. A filter that is empty is left out.
 * @param {Record<string, string>} filters
 */
export function filter(filters) {
  const query = { ...Object.fromEntries(place.value.query), ...filters };
  go(address(location.pathname, query), { replace: true });
}

/** Follows the back button, and the links of the page that a plain click opens. */
export function listen() {
  addEventListener('popstate', () => place.set(read()));
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
    // What is the API's is no screen.
    if (/^\/(v1|fhir|assets)\//.test(link.pathname) || link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
