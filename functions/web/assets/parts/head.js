/**
 * The last signed head of the log: how old it is, whether its signature is right, and whether the log still has what a head
 * covers that was kept elsewhere.
 */

import { head } from '../api-access.js';
import { exact, number, When } from '../formats.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useState } from '../ui.js';
import { sayWhy } from './act.js';
import { download } from './download.js';
import { Shape } from './marks.js';
import { Failure, Loading, Notice, Stale } from './pages.js';
import { compareHeads, isSigned, readHead } from './signed.js';

const PERIOD = 10000;

/** For those who oversee all studies: a head is of all of them. */
export function LogHead() {
  const current = session.use();
  if (!current?.may.audit || current.who.study !== '*' || current.who.site !== '*') return null;
  return html`<${Log} />`;
}

function Log() {
  const text = t().log;
  const { data, error, again } = useLoaded(async () => {
    const document = await head();
    return { document, signed: document === null ? null : await isSigned(document) };
  }, []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), PERIOD);
    return () => clearInterval(timer);
  }, []);
  const last = data?.document ? readHead(data.document) : null;
  return html`<section class="panel">
    <h2>${text.title}</h2>
    <p class="quiet">${text.help}</p>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} lines=${2} />`}
    ${data?.document === null && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
    ${data?.document && !last && html`<p class="fault" role="alert">${text.unreadable}</p>`}
    ${
      last &&
      data?.document &&
      html`<${Result} ok=${data.signed} words=${text.signatures} />
        <dl class="data">
          <div><dt>${text.number}</dt><dd>${number(last.n)}</dd></div>
          <div><dt>${text.at}</dt><dd><${When} time=${last.at} /> · ${exact(last.at)}</dd></div>
          <div><dt>${text.hash}</dt><dd><code>${last.all}</code></dd></div>
          <div><dt>${text.key}</dt><dd><code>${last.key}</code></dd></div>
        </dl>
        <p class="buttons">
          <button type="button" onClick=${() => download(`head-${last.n}.json`, 'application/json', data.document ?? '')}>
            ${text.save}
          </button>
        </p>
        <${Compare} />`
    }
  </section>`;
}

/** @param {{ ok: boolean | null, words: { right: string, wrong: string, unknown: string } }} props */
function Result({ ok, words }) {
  const [shape, word] =
    ok === null ? ['waiting', words.unknown] : ok ? ['acknowledged', words.right] : ['dead', words.wrong];
  return html`<p class="state"><${Shape} name=${shape} /> ${word}</p>`;
}

/** @typedef {{ name: string, n: number, later: number, checks: import('./signed.js').Checked[] }} Outcome */

function Compare() {
  const text = t().log;
  const [over, setOver] = useState(false);
  const [wrong, setWrong] = useState('');
  const [outcome, setOutcome] = useState(/** @type {Outcome | null} */ (null));
  /** @param {File} [file] */
  const take = async (file) => {
    if (!file) return;
    setOutcome(null);
    setWrong('');
    const kept = (await file.text()).trimEnd();
    const before = readHead(kept);
    if (!before) return setWrong(text.noHead(file.name));
    try {
      // The log may have gone on since the screen was drawn.
      const [there, last] = [await head(before.n), await head()];
      const checks = await compareHeads(kept, last ?? '', there);
      setOutcome({ name: file.name, n: before.n, later: (readHead(last ?? '')?.n ?? 0) - before.n, checks });
    } catch (error) {
      sayWhy(error);
    }
  };
  /** @param {DragEvent} event */
  const drag = (event) => {
    event.preventDefault();
    setOver(event.type === 'dragover');
    if (event.type === 'drop') take(event.dataTransfer?.files[0]);
  };
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const chosen = (event) => take(event.currentTarget.files?.[0]);
  return html`<div class="drop ${over ? 'over' : ''}" onDragOver=${drag} onDragLeave=${drag} onDrop=${drag}>
    <label class="field">${text.compare}<input type="file" accept=".json,application/json" aria-describedby="head-help" onChange=${chosen} /></label>
    <p id="head-help" class="quiet">${text.compareHelp}</p>
    <p class="fault" role="alert">${wrong}</p>
    <div aria-live="polite">${outcome && html`<${Told} outcome=${outcome} />`}</div>
  </div>`;
}

/** @param {{ outcome: Outcome }} props */
function Told({ outcome }) {
  const text = t().log;
  const { name, n, later, checks } = outcome;
  const bad = checks.some(({ ok }) => ok === false);
  const verdict = bad ? text.bad(name) : checks.some(({ ok }) => ok === null) ? text.unsure(name) : text.good(n, later);
  return html`<p><strong>${verdict}</strong></p>
    <ul class="plain-list">
      ${checks.map(({ check, ok }) => html`<li key=${check}><${Result} ok=${ok} words=${text.checks[check]} /></li>`)}
    </ul>
    <p class="quiet">${bad ? text.badHelp : text.goodHelp}</p>`;
}
