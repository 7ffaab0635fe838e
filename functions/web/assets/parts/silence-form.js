/** A silence to begin: about which alerts, for how long, why. What it will do is said before it begins. */

import { SEVERITIES } from '../api.js';
import { hasAlerts, PROPERTIES } from '../api-care.js';
import { day } from '../formats.js';
import { place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, now, useLoaded, useState } from '../ui.js';
import { say } from './act.js';
import { whyOf } from './pages.js';

/**
 * @typedef {import('../api-care.js').Property} Property
 * @typedef {import('../api-care.js').Matchers} Matchers
 * @typedef {import('../api-care.js').Silence} Silence
 * @typedef {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} Typed
 */

/** The length of a silence, minutes; or until a time. */
const SPANS = [30, 60, 240, 720, 1440, 4320, 10080];
const USUAL = '60';
const UNTIL = 'until';

/**
 * The scope of a silence, in words.
 * @param {Matchers} matchers
 */
export function wordsOf(matchers) {
  const text = t().silences;
  const named = PROPERTIES.filter((name) => matchers[name]?.length);
  const words = named.map((name) => {
    const values = (matchers[name] ?? []).map((value) => shown(name, value));
    return text.about(text.properties[name], values.join(text.or));
  });
  return words.length ? words.join(' · ') : text.everything;
}

/** @param {Property} name @param {string} value */
function shown(name, value) {
  if (name === 'severity') return t().severity[/** @type {import('../api.js').Severity} */ (value)] ?? value;
  return name === 'subject' ? value.slice(0, 8) : value;
}

/** The filters of the address, within the scope of the key. */
function asked() {
  const who = session.value?.who;
  /** @type {Record<Property, string>} */
  const fields = { study: '', site: '', severity: '', instrument: '', rule: '', subject: '' };
  for (const name of PROPERTIES) fields[name] = place.value.query.get(name) ?? '';
  if (who && who.study !== '*') fields.study = who.study;
  if (who && who.site !== '*') fields.site = who.site;
  return fields;
}

/**
 * @param {{ run: (silence: { matchers: Matchers, comment: string, critical: boolean, minutes?: number, end?: string }) =>
 *   Promise<Silence>, done: () => void }} props
 */
export function SilenceForm({ run, done }) {
  const text = t().silences;
  const who = session.use()?.who;
  const [fields, setFields] = useState(asked);
  const [span, setSpan] = useState(USUAL);
  const [until, setUntil] = useState('');
  const [comment, setComment] = useState('');
  const [critical, setCritical] = useState(false);
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const matchers = matchersOf(fields);
  const end = span === UNTIL ? new Date(until) : new Date(now.use() + Number(span) * 60000);
  const isEmpty = !Object.keys(matchers).length;
  // The site as it was when the field was left: somebody may have mistyped it.
  const [settled, setSettled] = useState(fields.site);
  const { data: known } = useLoaded(
    async () => (settled ? { site: settled, any: await hasAlerts(fields.study, settled) } : null),
    [settled, fields.study],
  );
  const unknown = known?.site === fields.site && !known.any;
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (isEmpty) return setWrong(text.empty);
    setBusy(true);
    setWrong('');
    try {
      const lasts = span === UNTIL ? { end: end.toISOString() } : { minutes: Number(span) };
      const begun = await run({ matchers, comment: comment.trim(), critical, ...lasts });
      say(text.begun(day(begun.end)));
      setFields(asked());
      setSettled(asked().site);
      setComment('');
      setCritical(false);
    } catch (error) {
      setWrong(whyOf(error));
    }
    setBusy(false);
    done();
  };
  /** @param {Property} name */
  const field = (name) => html`<${Field}
    name=${name}
    value=${fields[name]}
    fixed=${(name === 'study' && who?.study !== '*') || (name === 'site' && who?.site !== '*')}
    onInput=${(/** @type {string} */ value) => setFields({ ...fields, [name]: value })}
    onLeave=${(/** @type {string} */ value) => name === 'site' && setSettled(value.trim())}
  />`;
  const narrow = /** @type {Property[]} */ (['severity', 'instrument', 'rule', 'subject']);
  return html`<form class="panel silence-form" onSubmit=${submit}>
    <h2>${text.new}</h2>
    <div class="silence-fields">
      ${field('study')} ${field('site')}
      <label class="field"
        >${text.lasts}
        <select value=${span} onChange=${(/** @type {Typed} */ event) => setSpan(event.currentTarget.value)}>
          ${SPANS.map((minutes) => html`<option value=${String(minutes)}>${text.spans(minutes)}</option>`)}
          <option value=${UNTIL}>${text.until}</option>
        </select>
      </label>
      ${
        span === UNTIL &&
        html`<label class="field until"
          >${text.untilTime}
          <input required type="datetime-local" value=${until} onInput=${(/** @type {Typed} */ event) => setUntil(event.currentTarget.value)} />
        </label>`
      }
      <div class="why">
        <label class="field"
          >${text.why}
          <input required maxlength="1000" value=${comment} aria-describedby="silence-help" autocomplete="off"
            onInput=${(/** @type {Typed} */ event) => setComment(event.currentTarget.value)} />
        </label>
        <small id="silence-help">${t().act.noteHelp}</small>
      </div>
    </div>
    <p class="hint" role="status">${unknown && text.unknownSite(settled)}</p>
    <details open=${narrow.some((name) => fields[name])}>
      <summary>${text.narrower}</summary>
      <div class="silence-fields">${narrow.map(field)}</div>
    </details>
    <label class="tick">
      <input type="checkbox" checked=${critical} onChange=${() => setCritical(!critical)} />
      ${text.criticalTick}
    </label>
    <p class="fault" role="alert">${wrong}</p>
    <p class="will" aria-live="polite">
      ${!isEmpty && !Number.isNaN(end.getTime()) && text.will(wordsOf(matchers), day(end.toISOString()), critical)}
    </p>
    <div class="buttons">
      <button class="primary" disabled=${busy}>${busy ? t().act.working : text.begin}</button>
    </div>
  </form>`;
}

/** @param {Record<Property, string>} fields @returns {Matchers} Several values have commas between them. */
function matchersOf(fields) {
  const named = PROPERTIES.map((name) => {
    const values = fields[name].split(/[,，、;]/).map((value) => value.trim());
    return /** @type {const} */ ([name, values.filter(Boolean)]);
  });
  return Object.fromEntries(named.filter(([, values]) => values.length));
}

/** @param {{ name: Property, value: string, fixed: boolean, onInput: (value: string) => void,
 *   onLeave: (value: string) => void }} props */
function Field({ name, value, fixed, onInput, onLeave }) {
  const text = t().silences;
  /** @param {Typed} event */
  const typed = (event) => onInput(event.currentTarget.value);
  /** @param {Typed} event */
  const left = (event) => onLeave(event.currentTarget.value);
  if (name === 'severity') {
    return html`<label class="field"
      >${text.properties[name]}
      <select value=${value} onChange=${typed}>
        <option value="">${t().inbox.any}</option>
        ${SEVERITIES.map((severity) => html`<option value=${severity}>${t().severity[severity]}</option>`)}
      </select>
    </label>`;
  }
  return html`<label class="field"
    >${text.properties[name]}
    <input value=${value} readonly=${fixed} onInput=${typed} onChange=${left} placeholder=${t().inbox.any} autocomplete="off" spellcheck=${false} />
  </label>`;
}
