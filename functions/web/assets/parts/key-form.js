/**
 * A key to create. Its secret is shown once, in a panel that stays until the person has kept it: it is in no address, no title
 * and no storage, and gone when the screen is left.
 */

import { createKey } from '../api-access.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { say } from './act.js';
import { whyOf } from './pages.js';
import { roleOf } from './who.js';

/**
 * @typedef {import('../session.js').Role} Role
 * @typedef {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} Typed
 */

/** @type {Role[]} */
const ROLES = ['submit', 'coordinator', 'read', 'clinician', 'operator', 'auditor', 'admin'];

/** The fields as they are at first: within what the own key covers. */
function empty() {
  const who = session.value?.who;
  return { label: '', role: 'submit', study: who?.study ?? '', site: who?.site ?? '', owner: '', expiry: '' };
}

/** The day after a day, when the key ends where the person is. @param {string} day */
function endOf(day) {
  const end = new Date(`${day}T00:00`);
  end.setDate(end.getDate() + 1);
  return end.toISOString();
}

/** @param {{ done: () => void }} props */
export function KeyForm({ done }) {
  const text = t().apiKeys;
  const [open, setOpen] = useState(false);
  const [fields, setFields] = useState(empty);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const [made, setMade] = useState(/** @type {{ label: string, secret: string } | null} */ (null));
  const who = session.use()?.who;
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong('');
    const { expiry, owner, role, ...rest } = fields;
    try {
      const wish = { ...rest, role: /** @type {Role} */ (role), ...(owner && { owner }) };
      const { label, secret } = await createKey({ ...wish, ...(expiry && { expiresAt: endOf(expiry) }) });
      setMade({ label, secret });
      setFields(empty());
      setOpen(false);
      done();
    } catch (error) {
      setWrong(whyOf(error));
    }
    setBusy(false);
  };
  /** @param {keyof typeof fields} name */
  const typed = (name) => (/** @type {Typed} */ event) => setFields({ ...fields, [name]: event.currentTarget.value });
  /** @param {'study' | 'site'} name */
  const scope = (name) => html`<label class="field"
    >${text[name]}
    <input required value=${fields[name]} readonly=${who?.[name] !== '*'} onInput=${typed(name)} maxlength="64"
      autocomplete="off" spellcheck=${false} aria-describedby="scope-help" />
  </label>`;
  if (made) return html`<${Secret} made=${made} onClose=${() => setMade(null)} />`;
  if (!open)
    return html`<p><button type="button" class="primary" onClick=${() => setOpen(true)}>${text.new}</button></p>`;
  return html`<form class="panel key-form" onSubmit=${submit}>
    <h2>${text.new.replace('…', '')}</h2>
    <label class="field"
      >${text.label}
      <input required maxlength="100" value=${fields.label} onInput=${typed('label')} autocomplete="off" aria-describedby="label-help" />
      <small id="label-help">${text.labelHelp}</small>
    </label>
    <div class="silence-fields">
      <label class="field"
        >${text.role}
        <select value=${fields.role} onChange=${typed('role')}>
          ${ROLES.map((role) => html`<option value=${role}>${roleOf(role)}</option>`)}
        </select>
      </label>
      ${scope('study')} ${scope('site')}
      <label class="field"
        >${text.owner}
        <input maxlength="100" value=${fields.owner} onInput=${typed('owner')} autocomplete="off" />
      </label>
      <label class="field">${text.expiry}<input type="date" value=${fields.expiry} onInput=${typed('expiry')} /></label>
    </div>
    <small id="scope-help">${text.scopeHelp}</small>
    <p class="fault" role="alert">${wrong}</p>
    <div class="buttons">
      <button class="primary" disabled=${busy}>${busy ? t().act.working : text.create}</button>
      <button type="button" onClick=${() => setOpen(false)}>${t().act.cancel}</button>
    </div>
  </form>`;
}

/** @param {{ made: { label: string, secret: string }, onClose: () => void }} props */
function Secret({ made: { label, secret }, onClose }) {
  const text = t().apiKeys;
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
    // Closing the tab now loses it.
    const stay = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
    addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, []);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      say(text.copied);
    } catch {
      field.current?.select();
      say(text.uncopied, true);
    }
  };
  return html`<section class="panel secret" aria-labelledby="secret-title">
    <h2 id="secret-title">${text.created(label)}</h2>
    <p id="secret-once">${text.once}</p>
    <label class="field">${text.secret}<input ref=${field} readonly value=${secret} spellcheck=${false} autocomplete="off" aria-describedby="secret-once" /></label>
    <div class="buttons">
      <button type="button" class="primary" onClick=${copy}>${text.copy}</button>
      <button type="button" onClick=${onClose}>${text.kept}</button>
    </div>
  </section>`;
}
