/** The system: whether Vigil can keep its promise now, and its figures. */

import { lastHour, metrics, readiness } from '../api.js';
import { number } from '../formats.js';
import { LogHead } from '../parts/head.js';
import { Hour } from '../parts/hour.js';
import { Shape } from '../parts/marks.js';
import { Needs, readLists } from '../parts/needs.js';
import { Failure, Loading, Stale } from '../parts/pages.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useRef } from '../ui.js';

const PERIOD = 10000;

export function SystemScreen() {
  const ready = useLoaded(readiness, []);
  // What a key may not see is not asked for.
  const { measure: may = false, oversee = false, operate = false, read = false } = session.use()?.may ?? {};
  const figures = useLoaded(async () => (may ? metrics() : undefined), [may]);
  const hour = useLoaded(async () => (oversee ? lastHour() : null), [oversee]);
  const lists = useLoaded(() => readLists({ operate, read }), [operate, read]);
  const allowed = useRef(true);
  allowed.current = hour.data !== null;
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      ready.again();
      figures.again();
      lists.again();
      // Who may not see it is not asked again.
      if (allowed.current) hour.again();
    }, PERIOD);
    return () => clearInterval(timer);
  }, []);
  const text = t().system;
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${text.title}</h1></div>
    ${ready.error && !ready.data && html`<${Failure} error=${ready.error} again=${ready.again} />`}
    ${ready.error && ready.data && html`<${Stale} error=${ready.error} again=${ready.again} />`}
    ${!ready.data && !ready.error && html`<${Loading} lines=${2} />`}
    ${ready.data && html`<${Verdict} ready=${ready.data.ready} />`}
    ${lists.data && (figures.data !== undefined || !may) && html`<${Needs} lists=${lists.data} figures=${figures.data ?? ''} />`}
    ${ready.data && html`<${Checks} checks=${ready.data.checks} />`}
    <${LogHead} />
    ${hour.data && html`<${Hour} minutes=${hour.data} />`}
    ${figures.data !== undefined && html`<${Figures} text=${figures.data} />`}
    ${!may && html`<p class="quiet">${text.unmeasured}</p>`}
  </article>`;
}

/** @param {{ ready: boolean }} props */
function Verdict({ ready }) {
  const text = t().system;
  return html`<section class="panel">
    <p class="verdict"><${Shape} name=${ready ? 'resolved' : 'dead'} /> ${ready ? text.ready : text.unready}</p>
  </section>`;
}

/** @param {{ checks: import('../api.js').Check[] }} props */
function Checks({ checks }) {
  const text = t().system;
  return html`<section class="panel">
    <h2>${text.checks}</h2>
    <table>
      <thead>
        <tr><th scope="col">${text.check}</th><th scope="col">${text.result}</th></tr>
      </thead>
      <tbody>
        ${checks.map(
          ({ name, ok, detail }) => html`<tr key=${name}>
            <th scope="row">${text.names[name] ?? name}</th>
            <td>
              <span class="state"><${Shape} name=${ok ? 'acknowledged' : 'dead'} /> ${ok ? text.ok : text.wrong}</span>
              ${detail && html`<p lang="en">${detail}</p>`}
            </td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

/** A family whose sum says nothing; *deliveries* shows it. */
const UNSUMMED = 'vigil_receiver_breaker';

/**
 * The families of a text in OpenMetrics: their help, and their sum over all labels; of ages the greatest. Histograms are left to a monitor.
 * @param {string} text
 */
function families(text) {
  /** @type {Map<string, { help: string, total?: number }>} */
  const found = new Map();
  let name = '';
  for (const line of text.split('\n')) {
    const [, family, help] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    if (family) {
      name = family;
      found.set(name, { help: help ?? '' });
    }
    const [, sample, value] = /^([a-z0-9_]+)(?:\{.*\})? (\S+)/.exec(line) ?? [];
    const whole = found.get(name);
    if (whole && (sample === name || sample === `${name}_total`)) {
      const before = whole.total ?? 0;
      whole.total = isTime(name) ? Math.max(before, Number(value)) : before + Number(value);
    }
  }
  return [...found].filter(([name, { total }]) => total !== undefined && name !== UNSUMMED);
}

/** @param {string} family */
function isTime(family) {
  return family.endsWith('_seconds');
}

/** What a figure counts. @param {{ family: string, help: string }} props */
function Name({ family, help }) {
  const own = t().system.families[family];
  return own ? html`${own}` : html`<span lang="en">${help}</span>`;
}

/** @param {{ text: string }} props */
function Figures({ text }) {
  const all = families(text);
  const words = t().system;
  return html`<section class="panel">
    <h2>${words.figures}</h2>
    ${!all.length && html`<p class="quiet">${words.noFigures}</p>`}
    ${
      all.length > 0 &&
      html`<table>
        <thead>
          <tr><th scope="col">${words.figure}</th><th scope="col" class="right">${words.value}</th></tr>
        </thead>
        <tbody>
          ${all.map(
            ([name, { help, total }]) => html`<tr key=${name}>
              <th scope="row"><${Name} family=${name} help=${help} /><br /><code class="quiet">${name}</code></th>
              <td class="right">${isTime(name) ? t().hour.seconds(number(total ?? 0)) : number(total ?? 0)}</td>
            </tr>`,
          )}
        </tbody>
      </table>`
    }
  </section>`;
}
