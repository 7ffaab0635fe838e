/** A dialog that says what will happen, and asks why. */

import { t } from '../text.js';
import { html, useState } from '../ui.js';
import { Dialog } from './act.js';

/**
 * @param {{ title: string, about: string, act: string, run: (reason: string) => void, onClose: () => void,
 *   children?: import('../ui.js').Children }} props
 */
export function ReasonDialog({ title, about, act, run, onClose, children }) {
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    setBusy(true);
    run(reason.trim());
  };
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const typed = (event) => setReason(event.currentTarget.value);
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${about}</p>
      ${children}
      <label class="field"
        >${t().deliveries.ask}
        <input required maxlength="500" value=${reason} onInput=${typed} />
      </label>
      <div class="buttons">
        <button class="primary" disabled=${busy}>${busy ? t().act.working : act}</button>
        <button type="button" onClick=${onClose}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}
