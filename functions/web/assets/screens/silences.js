/** Silences: which alerts are recorded and not sent for a while, and one more in ten seconds. */

import { beginSilence, endSilence, PROPERTIES, silences, unsent } from '../api-care.js';
import { Due, day, number } from '../formats.js';
import { actor, Dialog, say, sayWhy } from '../parts/act.js';
import { Shape } from '../parts/marks.js';
import { Failure, Loading, Notice, Stale } from '../parts/pages.js';
import { SilenceForm, wordsOf } from '../parts/silence-form.js';
import { address } from '../router.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useState } from '../ui.js';

/** @typedef {import('../api-care.js').Silence} Silence */

const PERIOD = 10000;

export function SilencesScreen() {
  const { data, error, again } = useLoaded(silences, []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), PERIOD);
    return () => clearInterval(timer);
  }, []);
  // What was ended here stays in sight as long as the screen.
  const [over, setOver] = useState(/** @type {Silence[]} */ ([]));
  const listed = data ?? [];
  const text = t().silences;
  const order = ['active', 'pending', 'ended'];
  const shown = [...listed, ...over.filter(({ id }) => listed.every((one) => one.id !== id))].sort(
    (one, other) =>
      order.indexOf(one.state) - order.indexOf(other.state) || Date.parse(one.end) - Date.parse(other.end),
  );
  /** @param {Silence} silence */
  const keep = (silence) => setOver((before) => [...before, silence]);
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${text.title}</h1></div>
    ${data && html`<${SilenceForm} run=${beginSilence} done=${again} />`}
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} />`}
    ${
      data &&
      html`<section class="panel">
        <h2>${text.inForce}</h2>
        ${!shown.length && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
        <ul class="silences">
          ${shown.map((silence) => html`<${One} key=${silence.id} silence=${silence} again=${again} keep=${keep} />`)}
        </ul>
      </section>`
    }
  </article>`;
}

/** @type {Record<Silence['state'], string>} */
const SHAPE_OF = { active: 'quiet', pending: 'waiting', ended: 'acknowledged' };

/** @param {{ silence: Silence, again: () => void, keep: (ended: Silence) => void }} props */
function One({ silence, again, keep }) {
  const text = t().silences;
  const [asking, setAsking] = useState(false);
  const [ending, setEnding] = useState(false);
  const { state, start, end, critical, matchers } = silence;
  const stop = async () => {
    setEnding(true);
    try {
      await endSilence(silence.id);
      keep({ ...silence, state: 'ended', end: new Date().toISOString() });
      say(text.ended);
    } catch (error) {
      sayWhy(error);
    }
    setEnding(false);
    setAsking(false);
    again();
  };
  return html`<li class=${state}>
    <div class="silence-head">
      <strong>${wordsOf(matchers)}</strong>
      <span class="state"><${Shape} name=${SHAPE_OF[state]} /> ${text.states[state]}</span>
    </div>
    <p class="note">${silence.comment}</p>
    <p class="quiet">
      ${text.span(day(start), day(end))}
      ${state === 'active' && html` · ${text.ends} <${Due} time=${end} />`}
      ${state === 'pending' && html` · ${text.begins} <${Due} time=${start} />`}
      ${` · ${text.by(actor(silence.author, silence.byName))}`}
    </p>
    <p>${critical ? html`<${Shape} name="critical" /> ${text.criticalToo}` : text.criticalSent}</p>
    ${state === 'active' && html`<${Unsent} silence=${silence} />`}
    ${state !== 'ended' && html`<button type="button" onClick=${() => setAsking(true)}>${text.end}</button>`}
    ${
      asking &&
      html`<${Dialog} title=${text.endTitle} onClose=${() => setAsking(false)}>
        <p>${wordsOf(matchers)}</p>
        <p>${text.endHelp}</p>
        <div class="buttons">
          <button type="button" class="primary" disabled=${ending} onClick=${stop}>
            ${ending ? t().act.working : text.end}
          </button>
          <button type="button" onClick=${() => setAsking(false)}>${t().act.cancel}</button>
        </div>
      <//>`
    }
  </li>`;
}

/** @param {{ silence: Silence }} props What it has held back until now. */
function Unsent({ silence }) {
  const { data } = useLoaded(() => unsent(silence), [silence.id]);
  if (!data) return null;
  const text = t().silences;
  if (!data.count && !data.more) return html`<p>${text.nothingUnsent}</p>`;
  /** @type {Record<string, string>} */
  const query = { state: 'suppressed' };
  for (const name of PROPERTIES.slice(0, 3)) {
    const values = silence.matchers[name] ?? [];
    if (values.length === 1) query[name] = values[0] ?? '';
  }
  return html`<p><a href=${address('/inbox', query)}>${text.unsent(data.count, data.more, number(data.count))}</a></p>`;
}
