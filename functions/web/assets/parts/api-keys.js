/** The keys that were created while Vigil runs: how long they last, when they were used, and withdrawing one. */

import { keys, withdrawKey } from '../api-access.js';
import { Due, day, When } from '../formats.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, now, useLoaded, useState } from '../ui.js';
import { actor, say, sayWhy } from './act.js';
import { ReasonDialog } from './ask.js';
import { KeyForm } from './key-form.js';
import { Shape } from './marks.js';
import { Failure, Loading, Notice, Stale } from './pages.js';
import { roleOf, whereOf } from './who.js';

/** @typedef {import('../api-access.js').Key} Key */

/** The time before its end in which a key is marked, milliseconds. */
const SOON = 14 * 86400000;

export function Keys() {
  const text = t().apiKeys;
  const may = session.use()?.may.grant;
  const { data, error, again } = useLoaded(keys, []);
  const [asking, setAsking] = useState(/** @type {Key | null} */ (null));
  /** @param {string} reason */
  const withdraw = async (reason) => {
    if (!asking) return;
    try {
      await withdrawKey(asking.keyId, reason);
      say(text.withdrawn(asking.label));
    } catch (error) {
      sayWhy(error);
    }
    setAsking(null);
    again();
  };
  const listed = [...(data?.entries ?? [])].sort((one, other) => one.label.localeCompare(other.label));
  return html`
    ${may && html`<${KeyForm} done=${again} />`}
    <section class="panel">
      <h2>${t().people.keys}</h2>
      <p class="quiet">${text.help}</p>
      ${error && !data && html`<${Failure} error=${error} again=${again} />`}
      ${error && data && html`<${Stale} error=${error} again=${again} />`}
      ${!data && !error && html`<${Loading} label=${t().people.loading} />`}
      ${data && !listed.length && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
      <ul class="people">
        ${listed.map((key) => html`<${OneKey} key=${key.keyId} it=${key} ask=${may ? setAsking : null} />`)}
      </ul>
      ${data?.more && html`<p class="quiet">${t().people.many}</p>`}
      ${
        asking &&
        html`<${ReasonDialog}
          title=${text.withdrawOf(asking.label)}
          about=${text.withdrawHelp}
          act=${text.withdraw.replace('…', '')}
          run=${withdraw}
          onClose=${() => setAsking(null)}
        />`
      }
    </section>`;
}

/** @param {{ it: Key, ask: ((key: Key) => void) | null }} props */
function OneKey({ it, ask }) {
  const text = t().apiKeys;
  const { keyId, label, owner, prefix, createdAt, createdBy, expiresAt, lastUsedAt } = it;
  const by = actor(createdBy, it.byName ?? it.createdByName);
  return html`<li>
    <div class="people-head">
      <h3>${label}</h3>
      <${Stand} it=${it} />
      ${ask && html`<button type="button" aria-label=${text.withdrawOf(label)} onClick=${() => ask(it)}>${text.withdraw}</button>`}
    </div>
    <p>${t().persons.grant(roleOf(it.role), whereOf(it))} <span class="quiet"> · <code>${keyId}</code></span></p>
    <dl class="facts">
      <div><dt>${text.expires}</dt><dd>${expiresAt ? day(expiresAt) : text.never}</dd></div>
      <div><dt>${text.used}</dt><dd>${lastUsedAt ? html`<${When} time=${lastUsedAt} />` : text.unused}</dd></div>
      <div><dt>${text.made}</dt><dd><${When} time=${createdAt} /> ${text.by(by)}</dd></div>
      ${owner && html`<div><dt>${text.ownerShown}</dt><dd>${owner}</dd></div>`}
      <div><dt>${text.prefix}</dt><dd><code>${prefix}</code></dd></div>
    </dl>
  </li>`;
}

/** @param {{ it: Key }} props Whether it is in force, and for how long yet. */
function Stand({ it: { expired, expiresAt } }) {
  const text = t().apiKeys;
  const left = expiresAt ? Date.parse(expiresAt) - now.use() : Number.POSITIVE_INFINITY;
  if (expired || left <= 0) return html`<span class="state taken"><${Shape} name="dead" /> ${text.expired}</span>`;
  if (left > SOON) return html`<span class="state"><${Shape} name="acknowledged" /> ${text.inForce}</span>`;
  return html`<span class="state soon"><${Shape} name="high" /> ${text.soon} <${Due} time=${expiresAt} /></span>`;
}
