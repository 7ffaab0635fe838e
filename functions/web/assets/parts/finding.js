/** One fault of what was sent, in the language of the screen as far as it is known; else the server's own sentence. */

import { t } from '../text.js';
import { html } from '../ui.js';

/** @param {{ code: string, detail: string }} props */
export function Fault({ code, detail }) {
  const { kinds, patterns } = t().findings;
  const known = patterns.find(([pattern]) => pattern.test(detail));
  if (known) return html`<span>${detail.replace(known[0], known[1])}</span>`;
  const kind = kinds[code];
  return html`<span>${kind && `${kind} `}<span lang="en">${detail}</span></span>`;
}
