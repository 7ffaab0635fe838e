/** The inbox: alerts that wait for somebody, critical and oldest first. */

import { PAGE, SEVERITIES } from '../api.js';
import { Age, clock, number, sorted } from '../formats.js';
import { ActDialog, Dialog, say, sayWhy } from '../parts/act.js';
import * as model from '../parts/inbox.js';
import { isUntaken, SeverityMark, Shape, StateMark } from '../parts/marks.js';
import { Failure, kindOf, Loading, Notice } from '../parts/pages.js';
import { useHeadline } from '../parts/reason.js';
import { Told } from '../parts/told.js';
import { address, filter, go, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useRef, useState } from '../ui.js';

/** @typedef {import('../parts/inbox.js').Row} Row */
/** @typedef {import('../parts/act.js').Act} Act */

/** The time between two looks, milliseconds. */
const PERIOD = 10000;
/** The rows that are drawn at first, and with each press of "more". */
const STEP = 100;

const FILTERS = /** @type {const} */ (['severity', 'study', 'site']);
const STATES = /** @type {const} */ (['acknowledged', 'resolved', 'suppressed']);

/** @param {URLSearchParams} query */
function filtersOf(query) {
  const { severity = '', study = '', site = '', state = 'open' } = Object.fromEntries(query);
  return { state, severity, study, site };
}

export function Inbox() {
  const filters = filtersOf(place.use().query);
  const key = JSON.stringify(filters);
  const inbox = model.inbox.use();
  const trouble = model.trouble.use();
  const [drawn, setDrawn] = useState(STEP);
  const pages = Math.ceil(drawn / PAGE);
  const look = () => model.look(filters, pages);

  useEffect(() => {
    look();
    const seen = () => document.hidden || look();
    const timer = setInterval(seen, PERIOD);
    document.addEventListener('visibilitychange', seen);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, pages]);

  const [asking, setAsking] = useState(/** @type {Row | 'keys' | null} */ (null));
  const acts = useActs(setAsking);
  useKeys(inbox?.rows ?? [], acts, () => setAsking('keys'));

  const { heading } = t().inbox;
  const rows = inbox?.rows ?? [];
  return html`<div class="inbox">
    <div class="screen-head">
      <h1 tabindex="-1" id="inbox-title">${filters.state === 'open' ? heading.open : filters.state === 'all' ? heading.all : heading.other}</h1>
      ${inbox && html`<p class="quiet">${t().inbox.count(inbox.all, inbox.critical)}</p>`}
      <button type="button" class="plain keys-button" onClick=${() => setAsking('keys')}>
        <${Shape} name="keyboard" /><span class="unseen">${t().keys.open}</span>
      </button>
    </div>
    <${Filters} filters=${filters} rows=${rows} />
    <${News} inbox=${inbox} trouble=${trouble} again=${look} />
    ${trouble && !inbox && html`<${Failure} error=${trouble} again=${look} />`}
    ${!trouble && !inbox && html`<${Loading} lines=${6} />`}
    ${inbox && !rows.length && html`<${Empty} filters=${filters} />`}
    <ol class="rows" aria-labelledby="inbox-title">
      ${rows.slice(0, drawn).map((row) => html`<${AlertRow} key=${row.alertId} row=${row} acts=${acts} />`)}
    </ol>
    ${
      (rows.length > drawn || inbox?.complete === false) &&
      html`<button type="button" class="more" onClick=${() => setDrawn(drawn + STEP)}>
        ${t().inbox.more(number(STEP))}
      </button>`
    }
    ${asking === 'keys' && html`<${KeysDialog} onClose=${() => setAsking(null)} />`}
    ${
      asking &&
      asking !== 'keys' &&
      html`<${ActDialog}
      act="resolve"
      about=${`${t().severity[asking.severity]} · ${asking.studyId} / ${asking.siteId}`}
      run=${(/** @type {string} */ note) => acts.run(asking, 'resolve', note)}
      onClose=${() => setAsking(null)}
    />`
    }
  </div>`;
}

/** @param {(row: Row) => void} ask */
function useActs(ask) {
  const may = session.use()?.may.attend ?? false;
  const [busy, setBusy] = useState(/** @type {string | null} */ (null));
  return {
    may,
    busy,
    ask,
    /**
     * @param {Row} row
     * @param {Act} act
     * @param {string} [note]
     */
    async run(row, act, note) {
      setBusy(row.alertId);
      try {
        await model.attend(row.alertId, act, note);
        say(t().act.done[act]);
      } catch (error) {
        sayWhy(error);
      }
      setBusy(null);
    },
  };
}

/**
 * @param {Row[]} rows
 * @param {ReturnType<typeof useActs>} acts
 * @param {() => void} help
 */
function useKeys(rows, acts, help) {
  const current = useRef({ rows, acts, help });
  current.current = { rows, acts, help };
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      const { target } = event;
      const typing = target instanceof Element && target.closest('input, select, textarea, dialog');
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const { rows, acts, help } = current.current;
      const links = [...document.querySelectorAll('.row-link')];
      const at = links.findIndex((link) => link.closest('.row')?.contains(document.activeElement));
      const row = rows[at];
      if (event.key === 'j') focus(links[Math.min(at + 1, links.length - 1)]);
      else if (event.key === 'k') focus(links[Math.max(at - 1, 0)]);
      else if (event.key === 'a' && row && acts.may && isUntaken(row.state)) acts.run(row, 'acknowledge');
      else if (event.key === 'r' && row && acts.may && row.state !== 'resolved') acts.ask(row);
      else if (event.key === '/') focusFilters();
      else if (event.key === '?') help();
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}

/** @param {Element | undefined} link */
function focus(link) {
  if (link instanceof HTMLElement) link.focus();
}

function focusFilters() {
  const toggle = document.querySelector('.filters-toggle');
  if (toggle?.getAttribute('aria-expanded') === 'false' && toggle instanceof HTMLElement) toggle.click();
  requestAnimationFrame(() => focus(document.querySelector('.filters select') ?? undefined));
}

/**
 * What is new, or how old the list is. The line always has its place, so that nothing below it moves.
 * @param {{ inbox: import('../parts/inbox.js').Inbox | null, trouble: unknown, again: () => void }} props
 */
function News({ inbox, trouble, again }) {
  const fresh = inbox?.fresh ?? [];
  const critical = fresh.filter((alert) => alert.severity === 'critical').length;
  const kind = kindOf(trouble);
  return html`<div class="news">
    <div role="status">
      ${
        fresh.length > 0 &&
        html`<button type="button" class="primary ${critical ? 'urgent' : ''}" onClick=${model.showFresh}>
          ${t().inbox.fresh(fresh.length, critical)}
        </button>`
      }
      ${
        inbox &&
        trouble &&
        html`<strong>${t().state_of[kind]}</strong><span class="unseen">${t().state_of[`${kind}Help`]}</span>
          <button type="button" onClick=${again}>${t().state_of.again}</button>`
      }
    </div>
    ${inbox && !fresh.length && html`<span class="quiet">${t().inbox.updated(clock(inbox.at))}</span>`}
  </div>`;
}

/** @param {{ filters: import('../parts/inbox.js').Filters, rows: Row[] }} props */
function Filters({ filters, rows }) {
  const [open, setOpen] = useState(false);
  const set = FILTERS.filter((name) => filters[name]).length + (filters.state === 'open' ? 0 : 1);
  /** @param {string} name */
  const change = (name) => (/** @type {Event & { currentTarget: HTMLSelectElement }} */ event) =>
    filter({ [name]: event.currentTarget.value.trim() });
  const text = t().inbox;
  /** @param {'study' | 'site'} name */
  const input = (name) => {
    const known = sorted([...new Set(rows.map((row) => row[`${name}Id`]))]);
    return html`<${NameFilter} label=${text[name]} name=${name} value=${filters[name]} known=${known} />`;
  };
  return html`<div class="filters ${open ? 'open' : ''}">
    <button type="button" class="filters-toggle" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      <${Shape} name="filter" /> ${text.filters}${set > 0 && ` (${number(set)})`}
    </button>
    <form class="filters-fields" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label class="field"
        >${text.state}
        <select value=${filters.state} onChange=${change('state')}>
          <option value="open">${text.states.open}</option>
          ${STATES.map((state) => html`<option value=${state}>${t().state[state]}</option>`)}
          <option value="all">${text.states.all}</option>
        </select>
      </label>
      <label class="field"
        >${text.severity}
        <select value=${filters.severity} onChange=${change('severity')}>
          <option value="">${text.any}</option>
          ${SEVERITIES.map((severity) => html`<option value=${severity}>${t().severity[severity]}</option>`)}
        </select>
      </label>
      ${input('study')} ${input('site')}
      ${
        set > 0 &&
        html`<button type="button" class="plain" onClick=${() => go(address('/inbox'), { replace: true })}>${text.clear}</button>`
      }
    </form>
  </div>`;
}

/**
 * A filter that is typed. What is being typed stays while the list below is renewed; it counts on Enter, or when the field is left.
 * @param {{ label: string, name: string, value: string, known: string[] }} props
 */
function NameFilter({ label, name, value, known }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const read = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => currentTarget.value;
  return html`<label class="field"
    >${label}
    <input
      list=${`${name}-list`}
      value=${typed}
      placeholder=${t().inbox.any}
      maxlength="64"
      spellcheck=${false}
      autocomplete="off"
      onInput=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => setTyped(read(event))}
      onChange=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => filter({ [name]: read(event).trim() })}
    />
    <datalist id=${`${name}-list`}>${known.map((id) => html`<option value=${id}></option>`)}</datalist>
  </label>`;
}

/** @param {{ filters: import('../parts/inbox.js').Filters }} props */
function Empty({ filters }) {
  const plain = filters.state === 'open' && FILTERS.every((name) => !filters[name]);
  const text = t().inbox;
  return html`<${Notice}
    title=${plain ? text.empty : text.emptyFiltered}
    help=${plain ? text.emptyHelp : text.emptyFilteredHelp}
  />`;
}

/** @param {{ row: Row, acts: ReturnType<typeof useActs> }} props */
function AlertRow({ row, acts }) {
  const untaken = isUntaken(row.state);
  const urgent = row.severity === 'critical' && untaken;
  const busy = acts.busy === row.alertId;
  const headline = useHeadline(row);
  // Heard without the row, a button says which alert it is about.
  /** @param {string} act */
  const named = (act) => t().act.named(act, headline, t().severity[row.severity]);
  const acknowledge = busy ? t().act.working : t().act.acknowledge;
  return html`<li class="row ${urgent ? 'urgent' : ''} ${untaken ? '' : 'taken'}">
    <${SeverityMark} severity=${row.severity} state=${row.state} />
    <div class="row-main">
      <h2><a class="row-link" href=${address(`/alerts/${row.alertId}`)}>${headline}</a></h2>
      <p class="row-about">
        <span>${row.instrument}</span><span>${row.studyId} / ${row.siteId}</span>
        <span>${t().inbox.subject(row.subject.slice(0, 8))}</span>
        ${row.assignee && html`<strong>${t().told.assignee(row.assignee)}</strong>`}
      </p>
      <${Told} row=${row} />
    </div>
    <${StateMark} state=${row.state} />
    <${Age} time=${row.receivedAt} />
    <div class="row-act">
      ${
        acts.may &&
        untaken &&
        html`<button type="button" disabled=${busy} aria-label=${named(acknowledge)} onClick=${() => acts.run(row, 'acknowledge')}>
          ${acknowledge}
        </button>`
      }
      ${
        acts.may &&
        row.state === 'acknowledged' &&
        html`<button type="button" disabled=${busy} aria-label=${named(t().act.resolve)} onClick=${() => acts.ask(row)}>
          ${t().act.resolve}
        </button>`
      }
    </div>
  </li>`;
}

/** @param {{ onClose: () => void }} props */
function KeysDialog({ onClose }) {
  return html`<${Dialog} title=${t().keys.title} onClose=${onClose}>
    <dl class="keys">
      ${t().keys.list.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
    </dl>
    <div class="buttons"><button type="button" class="primary" onClick=${onClose}>${t().keys.close}</button></div>
  <//>`;
}
