/**
 * The bar above every screen: the names of the screens, who is signed in, the language, the way out. In a narrow window it is one
 * row, and the names are in a menu.
 */

import { signOut } from '../provider.js';
import { address } from '../router.js';
import { session } from '../session.js';
import { choose, language, languages, nameOf, t } from '../text.js';
import { html, useEffect, useState } from '../ui.js';
import { Shape } from './marks.js';
import { Who } from './who.js';

/** @typedef {import('../session.js').May} May */

const ICON = new URL('../icon.svg', import.meta.url).href;

/** The screens of the bar, and whether a key may see them. */
const SCREENS = /** @type {const} */ ([
  ['inbox', (/** @type {May} */ may) => may.read],
  ['silences', (/** @type {May} */ may) => may.attend],
  ['deliveries', (/** @type {May} */ may) => may.operate],
  ['batch', (/** @type {May} */ may) => may.submit],
  ['instruments', () => true],
  ['configuration', (/** @type {May} */ may) => may.configure],
  ['people', (/** @type {May} */ may) => may.audit],
  ['system', (/** @type {May} */ may) => may.read || may.measure],
]);

/**
 * The names of the screens that a key may see, in their order.
 * @param {May} may
 */
export function screensOf(may) {
  return SCREENS.filter(([, allows]) => allows(may)).map(([name]) => name);
}

/** The width at which `bar.css` and `wide.css` begin. */
const WIDE = matchMedia('(min-width: 60rem)');

/** Whether there is room for the names of all screens. */
function useWide() {
  const [wide, setWide] = useState(WIDE.matches);
  useEffect(() => {
    const changed = () => setWide(WIDE.matches);
    WIDE.addEventListener('change', changed);
    return () => WIDE.removeEventListener('change', changed);
  }, []);
  return wide;
}

/** @param {{ current?: string }} props The name of the screen that is shown, if it is one of the bar. */
export function Bar({ current }) {
  const who = session.use()?.who;
  const wide = useWide();
  const brand = html`<a class="brand" href=${address('/')}>
    <img src=${ICON} alt="" width="22" height="22" /> <span class=${who && !wide ? 'unseen' : ''}>${t().name}</span>
  </a>`;
  if (!who) return html`<header class="bar">${brand} <${End} /></header>`;
  if (wide) {
    return html`<header class="bar">${brand} <${Names} current=${current} /> <${Who} who=${who} /> <${End} out=${true} /></header>`;
  }
  const names = /** @type {Record<string, string>} */ (t().nav);
  const here = current && names[current];
  /** @param {MouseEvent & { currentTarget: HTMLElement }} event */
  const chosen = ({ target, currentTarget }) => {
    if (target instanceof Element && target.closest('a')) currentTarget.hidePopover();
  };
  return html`<header class="bar">
    ${brand}
    <button type="button" class="menu-button" popovertarget="menu" aria-label=${t().menu.of(here)}>
      <${Shape} name="menu" /> ${here || t().menu.name}
    </button>
    <${Who} who=${who} />
    <div class="menu" id="menu" popover="auto" onClick=${chosen}>
      <${Names} current=${current} /> <${End} out=${true} />
    </div>
  </header>`;
}

/** @param {{ current?: string }} props */
function Names({ current }) {
  const may = session.use()?.may;
  const names = t().nav;
  return html`<nav aria-label=${names.label}>
    ${
      may &&
      screensOf(may).map(
        (name) =>
          html`<a href=${address(`/${name}`)} aria-current=${name === current ? 'page' : null}>${names[name]}</a>`,
      )
    }
  </nav>`;
}

/** @param {{ out?: boolean }} props `out`: somebody is signed in. */
function End({ out }) {
  return html`<div class="bar-end">
    <${Language} />
    ${out && html`<button type="button" class="plain" onClick=${signOut}>${t().signOut}</button>`}
  </div>`;
}

function Language() {
  /** @param {Event & { currentTarget: HTMLSelectElement }} event */
  const changed = (event) => choose(event.currentTarget.value);
  return html`<label class="language"
    ><span class="unseen">${t().language}</span>
    <select value=${language()} onChange=${changed}>
      ${languages.map((tag) => html`<option value=${tag} lang=${tag}>${nameOf(tag)}</option>`)}
    </select>
  </label>`;
}
