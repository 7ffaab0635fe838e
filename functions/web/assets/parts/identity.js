/**
 * Who a subject is: asked for by a button and with a reason, recorded by Vigil, shown in a dialog until the person leaves it. The patient's id is
 * in no address, no title and no storage.
 */

import { identity } from '../api-care.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useState } from '../ui.js';
import { Dialog } from './act.js';
import { Failure } from './pages.js';

/** @param {{ subject: string }} props For the roles that may know it alone. */
export function WhoIsIt({ subject }) {
  const [asking, setAsking] = useState(false);
  if (!session.use()?.may.identify) return null;
  return html`<button type="button" class="plain who-is-it" onClick=${() => setAsking(true)}>${t().identity.ask}</button>
    ${asking && html`<${Look} subject=${subject} onClose=${() => setAsking(false)} />`}`;
}

/** @param {{ subject: string, onClose: () => void }} props */
function Look({ subject, onClose }) {
  const text = t().identity;
  const [why, setWhy] = useState('');
  const [found, setFound] = useState(/** @type {Awaited<ReturnType<typeof identity>> | null} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {Event} event */
  const look = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      setFound(await identity(subject, why.trim()));
      setError(null);
    } catch (error) {
      setError(error);
    }
    setBusy(false);
  };
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const typed = (event) => setWhy(event.currentTarget.value);
  return html`<${Dialog} title=${text.ask} onClose=${onClose}>
    ${!found && html`<p>${text.recorded}</p>`}
    ${error && html`<${Failure} error=${error} />`}
    ${
      found &&
      html`<dl class="facts identity" aria-live="polite">
        <div><dt>${text.patient}</dt><dd><strong>${found.patientId}</strong></dd></div>
        ${found.patientSystem && html`<div><dt>${text.system}</dt><dd>${found.patientSystem}</dd></div>`}
        <div><dt>${t().alert.study}</dt><dd>${found.studyId}</dd></div>
        <div><dt>${t().alert.site}</dt><dd>${found.siteId}</dd></div>
      </dl>
      <p class="quiet">${text.forgotten}</p>`
    }
    <form onSubmit=${look}>
      ${!found && html`<label class="field">${text.why}<input required maxlength="500" value=${why} onInput=${typed} autocomplete="off" /></label>`}
      <div class="buttons">
        ${!found && html`<button class="primary" disabled=${busy || !why.trim()}>${busy ? t().act.working : text.look}</button>`}
        <button type="button" onClick=${onClose}>${found ? text.close : t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}
