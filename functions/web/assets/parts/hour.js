/** The last hour of the queues: how much waited and how long, minute by minute, as two charts and a table. */

import { duration, minute, number } from '../formats.js';
import { t } from '../text.js';
import { html, useMemo, useState } from '../ui.js';
import { Chart, colour } from './chart.js';

/**
 * @typedef {import('../api.js').Minute} Minute
 * @typedef {import('../vendor/uplot.mjs').default} UPlot
 */

/** Beyond so many seconds between two entries, a minute is missing. */
const MISSING = 90;
/** The strokes of the queues: the first with a line, the second with dashes. */
const DASHES = [undefined, [6, 4], [2, 3]];
const ORDER = ['score', 'dispatch'];
const COLOURS = ['accent', 'ink', 'quiet'];

/** @param {{ minutes: Minute[] }} props The oldest first. A minute in which the clock did not run is missing. */
export function Hour({ minutes }) {
  const text = t().hour;
  const [moved, setMoved] = useState(/** @type {number | null} */ (null));
  const at = Math.min(moved ?? minutes.length - 1, minutes.length - 1);
  const queues = queuesOf(minutes);
  const waiting = useMemo(() => columnsOf(minutes, (one, queue) => one.waiting[queue] ?? 0), [minutes]);
  const lag = useMemo(() => columnsOf(minutes, (one, queue) => (one.oldestMs[queue] ?? 0) / 1000), [minutes]);
  /** @param {number} place */
  const words = (place) => {
    const one = minutes[place];
    if (!one) return '';
    const each = queues.map((queue) =>
      text.waits(nameOf(queue), number(one.waiting[queue] ?? 0), seconds((one.oldestMs[queue] ?? 0) / 1000)),
    );
    return [minute(one.at), ...each].join(', ');
  };
  const shared = { at, onMove: setMoved, words, height: 150, ring: 10 };
  return html`<section class="panel">
    <h2>${text.title}</h2>
    ${minutes.length < 2 && html`<p class="quiet">${text.none}</p>`}
    ${
      minutes.length >= 2 &&
      html`<p class="chart-says">${words(at)}</p>
        <ul class="chart-legend">
          ${queues.map((queue, n) => html`<li><${Line} n=${n} /> ${nameOf(queue)}</li>`)}
        </ul>
        <div class="twin">
          <div>
            <h3>${text.waiting}</h3>
            <${Chart} ...${shared} ...${waiting} label=${text.waiting} ...${lines(queues, 4, number)} />
          </div>
          <div>
            <h3>${text.oldest}</h3>
            <${Chart} ...${shared} ...${lag} label=${text.oldest} ...${lines(queues, 4, seconds)} />
          </div>
        </div>
        <details class="as-table">
          <summary>${text.table(minutes.length)}</summary>
          <${Minutes} minutes=${minutes} queues=${queues} />
        </details>`
    }
  </section>`;
}

/** @param {Minute[]} minutes The queues, in the order of the work. */
function queuesOf(minutes) {
  const names = Object.keys(minutes[0]?.waiting ?? {});
  return names.sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
}

/** @param {string} queue */
function nameOf(queue) {
  return t().hour.queues[queue] ?? queue;
}

/** @param {number} value */
function seconds(value) {
  return value && value < 1 ? t().hour.seconds(number(value)) : duration(value * 1000);
}

/**
 * The columns of a chart, a line for each queue.
 * @param {Minute[]} minutes
 * @param {(minute: Minute, queue: string) => number} figure
 */
function columnsOf(minutes, figure) {
  const queues = queuesOf(minutes);
  /** @type {(number | null)[][]} */
  const columns = [[], ...queues.map(() => [])];
  let before = Number.NaN;
  const places = minutes.map((one) => {
    const at = Date.parse(one.at) / 1000;
    if (at - before > MISSING) for (const [n, column] of columns.entries()) column.push(n ? null : (at + before) / 2);
    before = at;
    for (const [n, column] of columns.entries()) column.push(n ? figure(one, queues[n - 1] ?? '') : at);
    return (columns[0]?.length ?? 0) - 1;
  });
  return { data: /** @type {import('./chart.js').Data} */ (/** @type {unknown} */ (columns)), places };
}

/**
 * @param {string[]} queues
 * @param {number} least The greatest figure that the chart shows at least.
 * @param {(value: number) => string} shown
 */
function lines(queues, least, shown) {
  const line = (/** @type {string} */ _, /** @type {number} */ n) => ({
    ...{ stroke: () => colour(COLOURS[n] ?? 'quiet'), width: 2, dash: DASHES[n], points: { show: false } },
  });
  return {
    series: [{}, ...queues.map(line)],
    scales: {
      x: { time: true },
      y: {
        range: (/** @type {UPlot} */ _, /** @type {number} */ __, /** @type {number} */ most) => [
          0,
          Math.max(least, most * 1.1),
        ],
      },
    },
    figures: {
      values: (/** @type {UPlot} */ _, /** @type {number[]} */ splits) => splits.map(shown),
      incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 10000, 100000],
    },
  };
}

/** @param {{ n: number }} props A piece of the line of a queue. */
function Line({ n }) {
  return html`<svg class="line-sample" viewBox="0 0 26 8" aria-hidden="true">
    <path class=${COLOURS[n]} d="M0 4h26" stroke-dasharray=${DASHES[n]?.join(' ')} />
  </svg>`;
}

/** @param {{ minutes: Minute[], queues: string[] }} props The latest first. */
function Minutes({ minutes, queues }) {
  const text = t().hour;
  return html`<div class="scroll" role="region" tabindex="0" aria-label=${text.title}>
    <table>
      <thead>
        <tr>
          <th scope="col">${text.minute}</th>
          <th scope="col" class="right">${text.accepted}</th>
          <th scope="col" class="right">${text.scored}</th>
          <th scope="col" class="right">${text.delivered}</th>
          ${queues.map((queue) => html`<th scope="col" class="right">${text.waitsIn(nameOf(queue))}</th>`)}
          ${queues.map((queue) => html`<th scope="col" class="right">${text.oldestIn(nameOf(queue))}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${[...minutes].reverse().map(
          (one) => html`<tr key=${one.at}>
            <th scope="row">${minute(one.at)}</th>
            <td class="right">${number(one.accepted)}</td>
            <td class="right">${number(one.scored)}</td>
            <td class="right">${number(one.delivered)}</td>
            ${queues.map((queue) => html`<td class="right">${number(one.waiting[queue] ?? 0)}</td>`)}
            ${queues.map((queue) => html`<td class="right">${seconds((one.oldestMs[queue] ?? 0) / 1000)}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
