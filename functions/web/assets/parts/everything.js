/** Everything that Vigil holds about a subject, for a person who asks for it: as a file, or as a page to print. */

import { everything } from '../api-care.js';
import { session } from '../session.js';
import { language, t } from '../text.js';
import { html, useState } from '../ui.js';
import { sayWhy } from './act.js';
import { download, show } from './download.js';

/** @param {{ subject: string }} props For the roles that may take it along alone. */
export function Everything({ subject }) {
  const [busy, setBusy] = useState(false);
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
  const save = () =>
    run(async () => download(`${name}.json`, 'application/fhir+json', await everything(subject, 'fhir', language())));
  const print = () => run(() => show(`${name}.html`, () => everything(subject, 'html', language())));
  return html`<section class="panel">
    <h2>${text.title}</h2>
    <p class="quiet">${text.help} ${may.identify && text.recorded}</p>
    <p class="buttons">
      <button type="button" disabled=${busy} onClick=${save}>${busy ? t().act.working : text.bundle}</button>
      <button type="button" disabled=${busy} onClick=${print}>${text.page}</button>
    </p>
  </section>`;
}
