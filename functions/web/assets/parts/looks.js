/** Who looked at what: of one subject, or of all with filters in the address. The newest first, page by page. */

import { looks } from '../api-access.js';
import { exact } from '../formats.js';
import { address, filter, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useState } from '../ui.js';
import { actor } from './act.js';
import { Failure, Loading, Notice, Stale } from './pages.js';
import { roleOf } from './who.js';

/**
 * @typedef {import('../api-access.js').Looked} Looked
 * @typedef {Event & { currentTarget: HTMLInputElement }} Typed
 */

const FILTERS = /** @type {const} */ (['actor', 'study', 'from', 'to']);

/** @param {{ subject: string }} props For the roles that oversee others; asked for when it is opened, for it is a long list. */
export function SubjectLooks({ subject }) {
  const [open, setOpen] = useState(false);
  const text = t().looks;
  if (!session.use()?.may.audit) return null;
  return html`<section class="panel">
    <details onToggle=${(/** @type {Event & { currentTarget: HTMLDetailsElement }} */ event) => setOpen(event.currentTarget.open)}>
      <summary>${text.title}</summary>
      ${open && html`<${Looks} filters=${{ subject }} />`}
    </details>
  </section>`;
}

export function AllLooks() {
  const { query } = place.use();
  const text = t().looks;
  const set = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const { actor, study, from, to } = set;
  const filters = { actor, study, from: from && startOf(from), to: to && startOf(to, 1) };
  const key = JSON.stringify(filters);
  return html`<section class="panel">
    <h2>${text.title}</h2>
    <p class="quiet">${text.help}</p>
    <${Filters} key=${`filters ${key}`} set=${set} />
    <${Looks} key=${key} filters=${filters} />
  </section>`;
}

/** The moment at which a day begins where the person is. @param {string} day @param {number} [later] Days. */
function startOf(day, later = 0) {
  const time = new Date(`${day}T00:00`);
  if (Number.isNaN(time.getTime())) return '';
  time.setDate(time.getDate() + later);
  return time.toISOString();
}

/** @param {{ set: Record<string, string> }} props They count once the form is sent. */
function Filters({ set }) {
  const text = t().looks;
  const [fields, setFields] = useState(set);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    filter(Object.fromEntries(FILTERS.map((name) => [name, fields[name]?.trim() ?? ''])));
  };
  /** @param {string} name */
  const typed = (name) => (/** @type {Typed} */ event) => setFields({ ...fields, [name]: event.currentTarget.value });
  return html`<form class="look-filters" onSubmit=${submit}>
    <label class="field actor"
      >${text.actor}
      <input value=${fields.actor} onInput=${typed('actor')} placeholder=${t().inbox.any} maxlength="1000" autocomplete="off" spellcheck=${false} aria-describedby="actor-help" />
      <small id="actor-help">${text.actorHelp}</small>
    </label>
    <label class="field"
      >${text.study}
      <input value=${fields.study} onInput=${typed('study')} placeholder=${t().inbox.any} maxlength="64" autocomplete="off" spellcheck=${false} />
    </label>
    <label class="field">${text.from}<input type="date" value=${fields.from} onInput=${typed('from')} /></label>
    <label class="field">${text.to}<input type="date" value=${fields.to} onInput=${typed('to')} /></label>
    <div class="buttons">
      <button>${text.apply}</button>
      ${Object.values(set).some(Boolean) && html`<a href=${address('/people/looks')}>${t().inbox.clear}</a>`}
    </div>
  </form>`;
}

/** @param {{ filters: Parameters<typeof looks>[0] }} props */
function Looks({ filters }) {
  const text = t().looks;
  const [pages, setPages] = useState(/** @type {Awaited<ReturnType<typeof looks>>[]} */ ([]));
  const { data, error, again } = useLoaded(() => looks(filters), []);
  const [trouble, setTrouble] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (data) setPages([data]);
  }, [data]);
  const last = pages.at(-1);
  const older = async () => {
    setBusy(true);
    try {
      const page = await looks(filters, last?.cursor ?? undefined);
      setPages([...pages, page]);
      setTrouble(null);
    } catch (error) {
      setTrouble(error);
    }
    setBusy(false);
  };
  if (error && !data) return html`<${Failure} error=${error} again=${again} />`;
  if (!last) return html`<${Loading} lines=${3} />`;
  const all = pages.flatMap((page) => page.looks);
  const filtered = !filters.subject && Object.values(filters).some(Boolean);
  if (!all.length) {
    const [title, help] = filtered ? [text.noneFiltered, text.noneFilteredHelp] : [text.none, text.noneHelp];
    return html`<${Notice} title=${title} help=${help} />`;
  }
  return html`<ol class="looks">
      ${all.map((look, n) => html`<${OneLook} key=${all.length - n} look=${look} alone=${filters.subject !== undefined} />`)}
    </ol>
    ${trouble && html`<${Stale} error=${trouble} again=${older} />`}
    ${last.more && !trouble && html`<button type="button" disabled=${busy} onClick=${older}>${busy ? t().act.working : text.older}</button>`}`;
}

/** @param {{ look: Looked, alone: boolean }} props `alone`: all of them are of one subject. */
function OneLook({ look, alone }) {
  const text = t().looks;
  const { at, byName, role, method, path, study, site, subject, status, reason } = look;
  const name = actor(look.actor, byName);
  // The event of which a subscription is told has no role and no path.
  const words = role ? text.paths[`${method} ${path}`] : text.event(t().subscriptions.events[path] ?? path);
  return html`<li>
    <p class="look-head">
      <span>
        ${
          alone
            ? html`<strong>${name}</strong>`
            : html`<a href=${address('/people/looks', { actor: look.actor })} title=${look.actor}><strong>${name}</strong><span class="unseen"> – ${text.only(name)}</span></a>`
        }
        ${role && html`<span class="quiet"> ${roleOf(role)}</span>`}
      </span>
      <time datetime=${at}>${exact(at)}</time>
    </p>
    <p>
      ${words ?? html`<code>${method} ${path}</code>`}
      ${status >= 400 && html` <strong>${text.refused(status)}</strong>`}
      <span class="quiet">
        ${study && ` · ${site ? t().who.where(study, site) : study}`}
        ${!alone && subject && html` · <a href=${address(`/subjects/${subject}`)}>${t().inbox.subject(subject.slice(0, 8))}</a>`}
      </span>
    </p>
    ${reason && html`<p class="note">${reason}</p>`}
  </li>`;
}
