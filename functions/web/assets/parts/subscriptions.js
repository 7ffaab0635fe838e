/** The subscriptions to events: who is told of what, how far it is, and telling it once more. */

import { tellAgain } from '../api-care.js';
import { list, number, When } from '../formats.js';
import { address } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useState } from '../ui.js';
import { Dialog, say, sayWhy } from './act.js';
import { Shape } from './marks.js';
import { Notice } from './pages.js';

/** @typedef {import('../api-care.js').Subscription} Subscription */

/** @param {{ subscriptions: Subscription[], again: () => void }} props */
export function Subscriptions({ subscriptions, again }) {
  const text = t().subscriptions;
  const may = session.use()?.may.configure;
  const [asking, setAsking] = useState(/** @type {Subscription | null} */ (null));
  return html`<section class="panel">
    <div class="panel-head">
      <h2>${text.title}</h2>
      ${may && html`<a href=${address('/configuration/subscriptions')}>${text.edit}</a>`}
    </div>
    ${!subscriptions.length && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
    <ul class="cards">
      ${subscriptions.map(
        (one) => html`<li key=${one.subscription} class="card">
          <div class="delivery-head"><h3>${one.subscription}</h3><span class="quiet">→ ${one.receiver}</span></div>
          <p class="state">
            <${Shape} name=${one.behind || one.waiting ? 'waiting' : 'acknowledged'} />
            ${one.behind ? text.behind : one.waiting ? text.waiting(number(one.waiting), one.waiting) : text.upToDate}
          </p>
          <p>${list(one.events.map((event) => text.events[event] ?? event))}</p>
          <dl class="facts">
            <div><dt>${text.studies}</dt><dd>${one.studies ? list(one.studies) : t().who.allStudies}</dd></div>
            <div><dt>${text.content}</dt><dd>${text.contents[one.content] ?? one.content}</dd></div>
            ${one.behind && one.waiting > 0 && html`<div><dt>${text.waits}</dt><dd>${number(one.waiting)}</dd></div>`}
            ${one.since && html`<div><dt>${text.since}</dt><dd><${When} time=${one.since} /></dd></div>`}
          </dl>
          <button type="button" onClick=${() => setAsking(one)}>${text.again}</button>
        </li>`,
      )}
    </ul>
    ${asking && html`<${Again} subscription=${asking} done=${again} onClose=${() => setAsking(null)} />`}
  </section>`;
}

/** The time an hour ago, as a field for local times has it. */
function hourAgo() {
  const time = new Date(Date.now() - 3600000);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/**
 * Asks since when, counts, and tells once more.
 * @param {{ subscription: Subscription, done: () => void, onClose: () => void }} props
 */
function Again({ subscription, done, onClose }) {
  const text = t().subscriptions;
  const [since, setSince] = useState(hourAgo);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  /** The counts of the dry run. */
  const [dry, setDry] = useState(/** @type {Awaited<ReturnType<typeof tellAgain>> | null} */ (null));
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const how = { since: new Date(since).toISOString(), dryRun: !dry, reason: reason.trim() };
      const counted = await tellAgain(subscription.subscription, how);
      if (dry) {
        say(text.told(number(counted.count)));
        onClose();
        done();
      } else setDry(counted);
    } catch (error) {
      sayWhy(error);
    }
    setBusy(false);
  };
  /** @typedef {Event & { currentTarget: HTMLInputElement }} Typed */
  return html`<${Dialog} title=${text.againTitle(subscription.subscription)} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${text.againHelp}</p>
      <label class="field"
        >${text.sinceTime}
        <input
          required
          type="datetime-local"
          value=${since}
          onInput=${(/** @type {Typed} */ event) => {
            setSince(event.currentTarget.value);
            setDry(null);
          }}
        />
      </label>
      ${
        dry &&
        html`<div role="status">
            <p><strong>${text.dry(number(dry.count), dry.count, dry.more)}</strong></p>
            <ul>
              ${Object.entries(dry.counts).map(([event, count]) => html`<li>${text.events[event] ?? event}: ${number(count)}</li>`)}
            </ul>
          </div>
          <label class="field"
            >${t().deliveries.ask}
            <input required maxlength="500" value=${reason} onInput=${(/** @type {Typed} */ event) => setReason(event.currentTarget.value)} />
          </label>`
      }
      <div class="buttons">
        <button class="primary" disabled=${busy || dry?.count === 0}>
          ${busy ? t().act.working : dry ? text.tell : text.count}
        </button>
        <button type="button" onClick=${onClose}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}
