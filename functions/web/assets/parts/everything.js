/** Everything that Vigil holds about a subject, for a person who asks for it: as a file, or as a page to print. */

import { everything } from '../api-care.js';
import { session } from '../session.js';
import { language, t } from '../text.js';
import { html, useState } from '../ui.js';
import { sayWhy } from './act.js';
import { ReasonDialog } from './ask.js';
import { download, show } from './download.js';

/** @typedef {'fhir' | 'html'} Form */

/** @param {{ subject: string }} props For the roles that may take it along alone. */
export function Everything({ subject }) {
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(/** @type {Form | null} */ (null));
  const may = session.use()?.may;
  if (!may?.export) return null;
  const text = t().everything;
  const name = `subject-${subject.slice(0, 8)}`;
  /** @param {() => Promise<void>} act */
  const run = async (act) => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      sayWhy(error);
    }
    setBusy(false);
  };
  /** @param {Form} form @param {string} [why] */
  const give = (form, why) =>
    run(async () => {
      const read = () => everything(subject, form, language(), why);
      if (form === 'html') await show(`${name}.html`, read);
      else download(`${name}.json`, 'application/fhir+json', await read());
    });
  /** @param {Form} form Who learns who it is says why. */
  const ask = (form) => (may.identify ? setAsking(form) : give(form));
  return html`<section class="panel">
    <h2>${text.title}</h2>
    <p class="quiet">${text.help} ${may.identify && text.recorded}</p>
    <p class="buttons">
      <button type="button" disabled=${busy} onClick=${() => ask('fhir')}>${busy ? t().act.working : text.bundle}</button>
      <button type="button" disabled=${busy} onClick=${() => ask('html')}>${text.page}</button>
    </p>
    ${
      asking &&
      html`<${ReasonDialog}
        title=${text.title}
        about=${text.recorded}
        act=${asking === 'html' ? text.page : text.bundle}
        run=${(/** @type {string} */ why) => {
          setAsking(null);
          give(asking, why);
        }}
        onClose=${() => setAsking(null)}
      />`
    }
  </section>`;
}
