/** Deliveries: the receivers and whether they can be reached, and what was given up and can be sent again. */

import * as api from '../api.js';
import { subscriptions } from '../api-care.js';
import { Age, number, When } from '../formats.js';
import { say, sayWhy } from '../parts/act.js';
import { ReasonDialog } from '../parts/ask.js';
import { Attempts } from '../parts/attempts.js';
import { Shape } from '../parts/marks.js';
import { Failure, Loading, Notice, Stale } from '../parts/pages.js';
import { Stand, worstFirst } from '../parts/receiver.js';
import { Subscriptions } from '../parts/subscriptions.js';
import { address } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useState } from '../ui.js';

/**
 * @typedef {import('../api.js').Receiver} Receiver
 * @typedef {import('../api.js').DeadLetter} DeadLetter
 */

const PERIOD = 10000;

async function load() {
  const [receivers, dead, told] = await Promise.all([api.receivers(), api.deadLetters(), subscriptions()]);
  return { receivers, dead, told };
}

export function DeliveriesScreen() {
  const { data, error, again } = useLoaded(load, []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), PERIOD);
    return () => clearInterval(timer);
  }, []);
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${t().deliveries.title}</h1></div>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && html`<${Receivers} receivers=${data.receivers} again=${again} />`}
    ${data && html`<${Subscriptions} subscriptions=${data.told} again=${again} />`}
    ${data && html`<${DeadLetters} letters=${data.dead.deadLetters} more=${data.dead.more} again=${again} />`}
  </article>`;
}

/** @param {{ receivers: Receiver[], again: () => void }} props */
function Receivers({ receivers, again }) {
  const text = t().deliveries;
  const [asking, setAsking] = useState(/** @type {Receiver | null} */ (null));
  const [testing, setTesting] = useState(/** @type {string | null} */ (null));
  /** @param {string} reason */
  const enable = async (reason) => {
    try {
      await api.enable(asking?.receiver ?? '', reason);
      say(text.enabled);
    } catch (error) {
      sayWhy(error);
    }
    setAsking(null);
    again();
  };
  /** @param {string} receiver */
  const test = async (receiver) => {
    setTesting(receiver);
    try {
      const { attempt } = await api.test(receiver);
      const came = t().alert.attempt[attempt.outcome] ?? attempt.outcome;
      const status = attempt.status ? ` (${attempt.status})` : '';
      say(`${receiver}: ${came}${status}`, attempt.outcome !== 'delivered');
    } catch (error) {
      sayWhy(error);
    }
    setTesting(null);
    again();
  };
  return html`<section class="panel">
    <h2>${text.receivers}</h2>
    ${!receivers.length && html`<${Notice} title=${text.noReceivers} help=${text.noReceiversHelp} />`}
    <ul class="cards">
      ${worstFirst(receivers).map(
        (one) => html`<li key=${one.receiver} class="card">
          <div class="delivery-head">
            <h3>${one.receiver}</h3><span class="quiet">${one.channel}</span>
          </div>
          <p class="state"><${Stand} receiver=${one} /></p>
          ${one.disabledSince && html`<p class="quiet"><${When} time=${one.disabledSince} /></p>`}
          <dl class="facts">
            <div><dt>${text.calls}</dt><dd>${number(one.calls)}</dd></div>
            <div><dt>${text.failed}</dt><dd>${number(one.failed)}</dd></div>
            <div><dt>${text.running}</dt><dd>${number(one.running)}</dd></div>
            <div>
              <dt>${text.limit}</dt>
              <dd>
                ${text.atOnce(number(one.concurrency))}${one.ratePerMinute && `, ${text.perMinute(number(one.ratePerMinute))}`}
              </dd>
            </div>
          </dl>
          <${Attempts} attempts=${one.attempts} count=${one.attempts.length} of=${one.receiver} picture />
          <div class="buttons">
            <${Test} receiver=${one.receiver} testing=${testing} onClick=${() => test(one.receiver)} />
            ${one.disabledSince && html`<button type="button" onClick=${() => setAsking(one)}>${text.enable}</button>`}
          </div>
        </li>`,
      )}
    </ul>
    ${
      asking &&
      html`<${ReasonDialog}
        title=${text.enable}
        about=${asking.receiver}
        act=${text.enable}
        run=${enable}
        onClose=${() => setAsking(null)}
      />`
    }
  </section>`;
}

/** @param {{ receiver: string, testing: string | null, onClick: () => void }} props `testing`: the receiver that is tested now. */
function Test({ receiver, testing, onClick }) {
  const text = t().deliveries;
  const words = testing === receiver ? t().act.working : text.test;
  return html`<button type="button" disabled=${testing !== null} aria-label=${text.testOf(words, receiver)} onClick=${onClick}>
    ${words}
  </button>`;
}

/** @param {{ letters: DeadLetter[], more: boolean, again: () => void }} props */
function DeadLetters({ letters, more, again }) {
  const text = t().deliveries;
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  // Says first how many they are: the number that the dry run gave.
  const [count, setCount] = useState(/** @type {number | null} */ (null));
  const ids = letters.map(({ id }) => id).filter((id) => chosen.has(id));
  /** @param {string[]} some */
  const toggle = (some) => {
    const all = some.every((id) => chosen.has(id));
    setChosen(new Set(all ? [...chosen].filter((id) => !some.includes(id)) : [...chosen, ...some]));
  };
  const dry = async () => {
    try {
      const { count, left } = await api.replay(ids, { dryRun: true, reason: '' });
      if (count) setCount(count);
      else say(text.left(left.length), true);
    } catch (error) {
      sayWhy(error);
    }
  };
  /** @param {string} reason */
  const replay = async (reason) => {
    try {
      const { count, left } = await api.replay(ids, { dryRun: false, reason });
      say([text.sent(count), left.length && text.left(left.length)].filter(Boolean).join(' '));
      setChosen(new Set());
    } catch (error) {
      sayWhy(error);
    }
    setCount(null);
    again();
  };
  const reasons = [...new Set(letters.map(({ reason }) => reason))];
  return html`<section class="panel">
    <div class="panel-head">
      <h2>${text.dead}</h2>
      ${ids.length > 0 && html`<button type="button" class="primary" onClick=${dry}>${text.replay(ids.length)}</button>`}
    </div>
    ${!letters.length && html`<${Notice} title=${text.noDead} help=${text.noDeadHelp} />`}
    ${reasons.map((reason) => {
      const some = letters.filter((letter) => letter.reason === reason);
      return html`<section key=${reason} class="reason">
        <h3>${t().alert.reasons[reason] ?? reason} <span class="quiet">${number(some.length)}</span></h3>
        <label class="tick">
          <input type="checkbox" checked=${some.every(({ id }) => chosen.has(id))} onChange=${() => toggle(some.map(({ id }) => id))} />
          ${text.selectAll}
        </label>
        <ul class="letters">
          ${some.map(
            (letter) => html`<li key=${letter.id}>
              <${Letter} letter=${letter} chosen=${chosen.has(letter.id)} toggle=${() => toggle([letter.id])} />
            </li>`,
          )}
        </ul>
      </section>`;
    })}
    ${more && html`<p class="quiet">${text.many}</p>`}
    ${
      count !== null &&
      html`<${ReasonDialog}
        title=${text.replay(count)}
        about=${text.dry(count)}
        act=${text.replay(count)}
        run=${replay}
        onClose=${() => setCount(null)}
      />`
    }
  </section>`;
}

/**
 * What it is about, and to whom: all of it ticks. A link only for who may read alerts.
 * @param {{ letter: DeadLetter, chosen: boolean, toggle: () => void }} props
 */
function Letter({ letter, chosen, toggle }) {
  const text = t().deliveries;
  const { alertId, submissionId, analysisId, severity, studyId, siteId } = letter;
  const id = (alertId ?? submissionId ?? analysisId ?? '').slice(0, 8);
  const what = alertId ? text.alert : submissionId ? text.submission : text.analysis;
  return html`<label class="tick">
      <input type="checkbox" checked=${chosen} onChange=${toggle} />
      <span>
        ${severity && html`<strong class="letter-severity"><${Shape} name=${severity} /> ${t().severity[severity]}</strong>${' '}`}
        ${what} <code>${id}</code>${t().joints[', ']}<span class="quiet">${studyId && `${studyId} / ${siteId}${t().joints[', ']}`}${letter.receiver ?? letter.queue}</span>
      </span>
    </label>
    ${
      alertId &&
      session.value?.may.read &&
      html`<a href=${address(`/alerts/${alertId}`)}>${text.show}<span class="unseen"> ${id}</span></a>`
    }
    <${Age} time=${letter.at} />`;
}
