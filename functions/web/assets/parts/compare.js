/** The changes of a document: by the version that is shown, since then, or by what a person has written. */

import { t } from '../text.js';
import { html, useState } from '../ui.js';
import { Difference } from './editor.js';

/**
 * @param {{ it: Awaited<ReturnType<typeof import('../api-setup.js').document>>, shown: number, draft: string }} props
 *   `shown`: the number of the version that is shown, 0 if there is none.
 */
export function Comparison({ it, shown, draft }) {
  const text = t().configuration;
  const [since, setSince] = useState(false);
  const latest = it.current.version ?? 0;
  if (it.text === null || draft.trim() !== it.text.trim()) {
    return html`<section class="panel">
      <h2>${text.difference}</h2>
      <${Difference} before=${it.inForce ?? ''} after=${draft} />
    </section>`;
  }
  const [before, after] = since ? [it.text, it.inForce ?? ''] : [it.earlier ?? '', it.text];
  const own = shown === 1 ? text.first : text.own(shown, shown - 1);
  /** @param {Event & { currentTarget: HTMLSelectElement }} event */
  const chosen = (event) => setSince(event.currentTarget.value === 'since');
  return html`<section class="panel">
    <h2>${since ? text.sinceThen(shown, latest) : own}</h2>
    ${
      shown !== latest &&
      html`<label class="field compare"
        >${text.compareWhat}
        <select value=${since ? 'since' : 'own'} onChange=${chosen}>
          <option value="own">${own}</option>
          <option value="since">${text.sinceThen(shown, latest)}</option>
        </select>
      </label>`
    }
    ${!since && it.earlier === null && shown > 1 ? html`<p class="quiet">${text.noEarlier}</p>` : html`<${Difference} before=${before} after=${after} />`}
  </section>`;
}
