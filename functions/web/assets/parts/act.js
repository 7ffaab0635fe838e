/** Acting on an alert: a dialog that asks for a note, and the sentence that says what came of it. */

import { t } from '../text.js';
import { Followed, html, useLayoutEffect, useMemo, useRef, useState } from '../ui.js';
import { kindOf } from './pages.js';

/** @typedef {'acknowledge' | 'resolve' | 'reopen'} Act */

/** What a screen reader says next, and what the foot of the page shows for a while. */
export const said = new Followed(/** @type {{ text: string, wrong: boolean } | null} */ (null));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;

/**
 * @param {string} text
 * @param {boolean} [wrong]
 */
export function say(text, wrong = false) {
  clearTimeout(silence);
  said.set({ text, wrong });
  silence = setTimeout(() => said.set(null), 6000);
}

/** @param {unknown} error */
export function sayWhy(error) {
  const kind = kindOf(error);
  say(`${t().state_of[kind]}. ${t().state_of[`${kind}Help`]}`, true);
}

export function Said() {
  const value = said.use();
  return html`<div class="said ${value?.wrong ? 'wrong' : ''}" role="status" aria-live="polite">${value?.text}</div>`;
}

/**
 * Names an actor: a person by name, a key by its id, a link by its receiver.
 * @param {string} by
 * @param {string} [name] The name of the person, where the API says it.
 */
export function actor(by, name) {
  if (name) return name;
  if (by.startsWith('link:')) return t().alert.link(by.slice(5));
  // A person without a name: what the provider calls the person, without provider and session.
  return /^[a-z]+:\/\/[^|]*\|(.*)\|s-[0-9a-f]{16}$/.exec(by)?.[1] ?? by;
}

/** How many dialogs there were: one may lie over another, and each has a title of its own. */
let dialogs = 0;

/**
 * A dialog that holds the focus until it is closed.
 * @param {{ title: string, onClose: () => void, children: import('../ui.js').Children }} props
 */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useMemo(() => {
    dialogs += 1;
    return `dialog-title-${dialogs}`;
  }, []);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    // The focus goes back to where it was, if it went with the dialog.
    return () => {
      setTimeout(() => {
        if (document.activeElement === document.body && before instanceof HTMLElement) before.focus();
      });
    };
  }, []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}

/** @param {{ value: string, onInput: (text: string) => void }} props */
export function Note({ value, onInput }) {
  /** @param {Event & { currentTarget: HTMLTextAreaElement }} event */
  const typed = (event) => onInput(event.currentTarget.value);
  return html`<label class="field"
    >${t().act.note}
    <textarea rows="2" maxlength="1000" value=${value} onInput=${typed} aria-describedby="note-help"></textarea>
    <small id="note-help">${t().act.noteHelp}</small>
  </label>`;
}

/**
 * Asks for a note, then acts.
 * @param {{ act: Act, about: string, run: (note: string) => Promise<void>, onClose: () => void }} props
 */
export function ActDialog({ act, about, run, onClose }) {
  const [note, setNote] = useState('');
  const [working, setWorking] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setWorking(true);
    await run(note.trim());
    onClose();
  };
  return html`<${Dialog} title=${t().act[act]} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${about}</p>
      <${Note} value=${note} onInput=${setNote} />
      <div class="buttons">
        <button class="primary" disabled=${working}>${working ? t().act.working : t().act[act]}</button>
        <button type="button" onClick=${onClose}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}
