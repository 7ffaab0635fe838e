/** The frame of all screens: the bar, the screen of the address, and signing in where nobody is. */

import { Said } from './parts/act.js';
import { Bar, screensOf } from './parts/bar.js';
import { Notice } from './parts/pages.js';
import { Sign } from './parts/sign.js';
import { arrive, resume, returned } from './provider.js';
import { address, go, listen, place } from './router.js';
import { AlertScreen } from './screens/alerts.js';
import { Inbox } from './screens/inbox.js';
import { SignIn } from './screens/sign-in.js';
import { remembered, scopeOf, session } from './session.js';
import { chosen, load, t } from './text.js';
import { html, useEffect, useLoaded, useRef, useState } from './ui.js';
import { render } from './vendor/preact.mjs';

/**
 * A screen of the bar that is fetched when somebody opens it.
 * @param {'silences' | 'deliveries' | 'batch' | 'instruments' | 'configuration' |
 *   'people' | 'system'} name
 * @param {() => Promise<() => unknown>} load
 */
const later = (name, load) => ({ title: () => t()[name].title, load, in: name });

/**
 * The screens by the first part of their address, or by the first and the third. `in` is the member of the bar that leads
 * there. `load`: a screen that is fetched when somebody opens it.
 * @type {Record<string, { title: () => string, show?: () => unknown, load?: () => Promise<() => unknown>, in?: string }>}
 */
const SCREENS = {
  inbox: { title: () => t().inbox.title, show: Inbox, in: 'inbox' },
  alerts: { title: () => t().alert.title, show: AlertScreen, in: 'inbox' },
  subjects: {
    title: () => t().subject.title,
    load: () => import('./screens/subjects.js').then((screen) => screen.SubjectScreen),
    in: 'inbox',
  },
  'subjects/print': {
    title: () => t().subject.title,
    load: () => import('./parts/paper.js').then((screen) => screen.Paper),
    in: 'inbox',
  },
  silences: later('silences', () => import('./screens/silences.js').then((screen) => screen.SilencesScreen)),
  deliveries: later('deliveries', () => import('./screens/deliveries.js').then((screen) => screen.DeliveriesScreen)),
  batch: later('batch', () => import('./screens/batch.js').then((screen) => screen.BatchScreen)),
  instruments: later('instruments', () =>
    import('./screens/instruments.js').then((screen) => screen.InstrumentsScreen),
  ),
  configuration: later('configuration', () =>
    import('./screens/configuration.js').then((screen) => screen.ConfigurationScreen),
  ),
  people: later('people', () => import('./screens/people.js').then((screen) => screen.PeopleScreen)),
  system: later('system', () => import('./screens/system.js').then((screen) => screen.SystemScreen)),
};

function App() {
  const here = place.use();
  const who = session.use();
  const text = chosen.use();
  useEffect(() => {
    load();
  }, [here]);
  useEffect(() => {
    // Whoever signs in by the address of that screen wants the first screen there is for the key.
    const screen = who && screensOf(who.may)[0];
    const first = here.screen === 'sign-in' || (location.pathname === '/' && screen !== 'inbox');
    if (who && screen && first) go(address(`/${screen}`), { replace: true });
  }, [who, here]);
  if (!text) return html`<${Frame}><span></span><//>`;
  if (!who) return html`<${Frame} title=${t().signIn.title}><${SignIn} /><//>`;
  const screen = SCREENS[`${here.screen}/${here.view}`] ?? SCREENS[here.screen];
  if (!screen) return html`<${Frame} title=${t().state_of.missing}><${Missing} /><//>`;
  return html`<${Frame} title=${screen.title()} current=${screen.in}>
    <${screen.show ?? Later} key=${`${scopeOf(who.who)} ${here.screen}/${here.id}/${here.view}`} load=${screen.load} />
  <//>`;
}

/** @param {{ load: () => Promise<() => unknown> }} props A screen that is fetched first. */
function Later({ load }) {
  // A function in a state would be called.
  const { data, error } = useLoaded(async () => ({ show: await load() }), [load]);
  if (data) return html`<${data.show} />`;
  if (!error) return html`<${Bones} />`;
  return html`<h1 tabindex="-1" class="unseen">${t().state_of.unloaded}</h1>
    <div role="alert">
      <${Notice} title=${t().state_of.unloaded} help=${t().state_of.unloadedHelp}>
        <button type="button" onClick=${() => location.reload()}>${t().state_of.reload}</button>
      <//>
    </div>`;
}

function Missing() {
  return html`<h1 tabindex="-1" class="unseen">${t().state_of.missing}</h1>
    <${Notice} title=${t().state_of.missing} help=${t().state_of.missingHelp}>
      <a href=${address('/inbox')}>${t().alert.back}</a>
    <//>`;
}

/** @param {{ title?: string, current?: string, children: import('./ui.js').Children }} props */
function Frame({ title, current, children }) {
  const here = place.use();
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (title) document.title = t().title(title);
  }, [title]);
  const where = `${here.screen}/${here.id}/${here.view}`;
  const before = useRef(where);
  useEffect(() => {
    // A new screen is read from its beginning.
    if (before.current !== where) main.current?.focus({ preventScroll: true });
    before.current = where;
  }, [where]);
  if (!chosen.value) return html`<header class="bar"></header><main class="screen"><${Bones} /></main>`;
  const text = t();
  return html`<a class="skip" href="#main">${text.skip}</a>
    <${Bar} current=${current} />
    <main id="main" class="screen" ref=${main} tabindex="-1">${children}</main>
    <${Sign} />
    <${Said} />`;
}

function Bones() {
  return html`<div class="loading">${[1, 2, 3].map(() => html`<div class="bone"></div>`)}</div>`;
}

/** Where the browser is back from an identity provider: what it brought. */
const back = returned();

/** Signs in with what the provider gave, or with what this tab was asked to remember. */
function Start() {
  const [waiting, setWaiting] = useState(back !== null || remembered() !== null);
  useEffect(() => {
    if (waiting) (back ? arrive(back) : resume()).finally(() => setWaiting(false));
  }, []);
  if (waiting) return html`<header class="bar"></header><main class="screen"><${Bones} /></main>`;
  return html`<${App} />`;
}

// A page that the browser kept whole may show what was there before signing out: it is emptied, and loaded again.
const root = /** @type {HTMLElement} */ (document.getElementById('app'));
addEventListener('pagehide', () => render(null, root));
addEventListener('pageshow', (event) => event.persisted && location.reload());

listen();
await load();
render(html`<${Start} />`, root);
