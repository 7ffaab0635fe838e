/** The course of a score: a chart with its bands, alerts and gaps, and the same values in a table. */

import { SEVERITIES } from '../api.js';
import { day, duration, number } from '../formats.js';
import { address } from '../router.js';
import { bandWord, t } from '../text.js';
import { html, useMemo, useState } from '../ui.js';
import { bandOf, figureOf, titleOf } from './answers.js';
import { Chart, colour, font, widest } from './chart.js';
import { pathOf, Shape } from './marks.js';
import { bounds, columns, gaps, stripes, usualInterval } from './series.js';

/**
 * @typedef {import('../api.js').Codebook} Codebook
 * @typedef {import('../api.js').Severity} Severity
 * @typedef {{ alertId: string, severity: Severity }} Raised
 * @typedef {{ at: string, submissionId: string, value: number | string | boolean | null, band?: string | null,
 *   status?: string }} Value
 * @typedef {import('../vendor/uplot.mjs').default} UPlot
 */

/** A table of so many rows is open from the beginning. */
const FEW = 6;
/** The room beside a single value, seconds: its day is seen, and not its hour. */
const ALONE = 3 * 86400;
/** In a window so wide, the names of the bands stand beside the line. */
const WIDE = 560;

/**
 * @param {{ score: string, values: Value[], book: Codebook | null, alerts?: Map<string, Raised[]>, own?: string }} props
 *   `values`: the oldest first. `alerts`: by submission. `own`: the submission that is looked at.
 */
export function Course({ score, values, book, alerts = new Map(), own }) {
  const isFigure = values.some(({ value }) => typeof value === 'number');
  return html`${isFigure && html`<${Picture} score=${score} values=${values} book=${book} alerts=${alerts} own=${own} />`}
    <details class="as-table" open=${values.length <= FEW}>
      <summary>${t().chart.table(values.length)}</summary>
      <${Values} score=${score} values=${values} book=${book} alerts=${alerts} own=${own} />
    </details>`;
}

/** @param {{ score: string, values: Value[], book: Codebook | null, alerts: Map<string, Raised[]>, own?: string }} props */
function Picture({ score, values, book, alerts, own }) {
  const text = t().chart;
  const [moved, setMoved] = useState(/** @type {number | null} */ (null));
  const mine = values.findIndex(({ submissionId }) => submissionId === own);
  const at = Math.min(moved ?? (mine < 0 ? values.length - 1 : mine), values.length - 1);
  const scale = book?.scores.find(({ id }) => id === score);
  const prepared = useMemo(() => {
    const times = values.map((value) => Date.parse(value.at) / 1000);
    const figures = values.map(({ value }) => (typeof value === 'number' ? value : null));
    const { xs, ys, places } = columns(times, figures);
    const range = bounds(figures, scale);
    const usual = gaps(times).size ? usualInterval(times) : null;
    return { data: /** @type {[number[], (number | null)[]]} */ ([xs, ys]), places, range, usual };
  }, [values, scale]);
  const { data, places, range, usual } = prepared;
  const title = titleOf({ id: score }, book);
  const unscored = values.some(({ value }) => value === null);
  /** @param {number} place */
  const words = (place) => said(values[place], score, book, alerts).join(', ');
  const raised = alerts.get(values[at]?.submissionId ?? '') ?? [];
  const severities = [
    ...new Set(values.flatMap(({ submissionId }) => alerts.get(submissionId) ?? []).map((one) => one.severity)),
  ];
  return html`<div class="course">
    <p class="chart-says">
      ${said(values[at], score, book, new Map()).map((words, n) => (n ? html`<span>${words}</span>` : html`<strong>${words}</strong>`))}
      ${raised.map(
        (one) =>
          html`<a href=${address(`/alerts/${one.alertId}`)}><${Shape} name=${one.severity} /> ${t().severity[one.severity]}</a>`,
      )}
    </p>
    <${Chart}
      data=${data}
      places=${places}
      at=${at}
      onMove=${setMoved}
      label=${text.label(title, values.length)}
      words=${words}
      ...${drawn({ values, places, range, alerts, own, bands: scale?.bands ?? [] })}
    />
    ${
      (severities.length > 0 || unscored || usual) &&
      html`<ul class="chart-legend quiet">
        ${severities.map((one) => html`<li><${Shape} name=${one} /> ${text.alert(t().severity[one])}</li>`)}
        ${unscored && html`<li><${Shape} name="dead" /> ${t().answers.notScored}</li>`}
        ${usual && html`<li>${text.gap(duration(usual * 1000))}</li>`}
      </ul>`
    }
  </div>`;
}

/**
 * The meaning of a value, in pieces.
 * @param {Value | undefined} value
 * @param {string} id
 * @param {Codebook | null} book
 * @param {Map<string, Raised[]>} alerts
 */
function said(value, id, book, alerts) {
  if (!value) return [];
  const figure = figureOf({ id, value: value.value }, book);
  const band = value.band ? bandOf(id, value.band, book) : '';
  const raised = (alerts.get(value.submissionId) ?? []).map(({ severity }) => t().chart.alert(t().severity[severity]));
  const guessed = value.status === 'prorated' ? t().answers.prorated : '';
  return [figure, band, guessed, day(value.at), ...raised].filter(Boolean);
}

/**
 * The parts of uPlot's options that a course has of its own.
 * @param {{ values: Value[], places: number[], range: [number, number], alerts: Map<string, Raised[]>, own?: string,
 *   bands: import('./series.js').Band[] }} what
 */
function drawn({ values, places, range, alerts, own, bands }) {
  const [low, high] = range;
  const margin = (high - low) * 0.07;
  const [first = 0, last = 0] = [values[0], values.at(-1)].map((value) => Date.parse(value?.at ?? '') / 1000);
  const areas = stripes(bands, range);
  const names = areas.map(({ name }) => bandWord(name));
  return {
    series: [
      {},
      {
        stroke: () => colour('accent'),
        width: 2,
        points: { show: true, size: 7, width: 2, fill: () => colour('surface') },
      },
    ],
    scales: {
      x: {
        time: true,
        // Of a single value, the library would make years.
        range: (/** @type {UPlot} */ plot) =>
          padded(first, last, plot.width < WIDE ? 0 : widest(plot, names) / plot.width),
      },
      y: { range: /** @type {[number, number]} */ ([low - margin, high + margin]) },
    },
    figures: {
      splits: (
        /** @type {UPlot} */ _,
        /** @type {number} */ __,
        /** @type {number} */ ___,
        /** @type {number} */ ____,
        /** @type {number} */ step,
      ) => steps(low, high, step),
      ...(areas.length > 0 && { grid: { show: false } }),
    },
    under: (/** @type {UPlot} */ plot) => drawBands(plot, areas, range),
    over: (/** @type {UPlot} */ plot) => drawAlerts(plot, values, places, alerts, own),
    drawn: JSON.stringify([...alerts.values()]),
  };
}

/** @param {number} low @param {number} high @param {number} step The marks of an axis within its scale. */
function steps(low, high, step) {
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, n) => (first + n) * step);
}

/**
 * Room beside the first and the last value, seconds; at the left also for the names of the bands.
 * @param {number} from
 * @param {number} to
 * @param {number} share The share of the width that the names take.
 * @returns {[number, number]}
 */
function padded(from, to, share) {
  const room = to > from ? (to - from) * 0.05 : ALONE;
  return [from - room - ((to - from + 2 * room) * share) / (1 - share), to + room];
}

/**
 * The bands, lightly coloured: the higher the figure, the deeper. Their names stand in them.
 * @param {UPlot} plot
 * @param {ReturnType<typeof stripes>} areas
 * @param {[number, number]} range
 */
function drawBands(plot, areas, [low, high]) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  const line = Number.parseFloat(font(scale)) * 1.3;
  ctx.save();
  ctx.font = font(scale);
  ctx.textBaseline = 'top';
  ctx.textAlign = 'left';
  for (const { name, rank, from, to } of areas) {
    // The outer ones reach to the edge of the picture.
    const top = to >= high ? bbox.top : plot.valToPos(to, 'y', true);
    const bottom = from <= low ? bbox.top + bbox.height : plot.valToPos(from, 'y', true);
    ctx.globalAlpha = 0.03 + (0.15 * rank) / Math.max(1, areas.length - 1);
    ctx.fillStyle = colour('accent');
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour('line');
    if (to < high) ctx.fillRect(bbox.left, top, bbox.width, scale);
    ctx.fillStyle = colour('quiet');
    if (bottom - top > line)
      ctx.fillText(bandWord(name), bbox.left + 6 * scale, top + 3 * scale, bbox.width - 12 * scale);
  }
  ctx.restore();
}

/**
 * The submissions that raised an alert: the shape of its severity at the value, and its word where there is room.
 * @param {UPlot} plot
 * @param {Value[]} values
 * @param {number[]} places
 * @param {Map<string, Raised[]>} alerts
 * @param {string} [own]
 */
function drawAlerts(plot, values, places, alerts, own) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  let free = bbox.left;
  ctx.save();
  ctx.font = `600 ${font(scale)}`;
  ctx.lineJoin = 'round';
  for (const [place, { submissionId }] of values.entries()) {
    const worst = worstOf(alerts.get(submissionId));
    const x = plot.valToPos(plot.data[0][places[place] ?? 0] ?? 0, 'x', true);
    const figure = plot.data[1]?.[places[place] ?? 0];
    // A response that could not be scored stands at the foot.
    const y = figure == null ? bbox.top + bbox.height - 9 * scale : plot.valToPos(figure, 'y', true);
    if (submissionId === own) ring(ctx, x, y, scale);
    if (!worst) {
      if (figure == null) mark(ctx, pathOf('dead'), x, y, 0.75 * scale);
      continue;
    }
    mark(ctx, pathOf(worst.severity), x, y, scale);
    const word = t().severity[worst.severity];
    const half = ctx.measureText(word).width / 2;
    if (x - half < free || x + half > bbox.left + bbox.width) continue;
    free = x + half + 6 * scale;
    const above = y - 24 * scale > bbox.top;
    ctx.textAlign = 'center';
    ctx.textBaseline = above ? 'bottom' : 'top';
    haloed(ctx, word, x, y + (above ? -11 : 11) * scale, scale);
  }
  ctx.restore();
}

/** @param {Raised[] | undefined} raised The alert that a mark stands for. */
export function worstOf(raised = []) {
  const ranks = raised.map(({ severity }) => SEVERITIES.indexOf(severity));
  return raised[ranks.indexOf(Math.min(...ranks))];
}

/** @param {CanvasRenderingContext2D} ctx @param {string} word @param {number} x @param {number} y @param {number} scale */
function haloed(ctx, word, x, y, scale) {
  ctx.lineWidth = 3 * scale;
  ctx.strokeStyle = colour('surface');
  ctx.strokeText(word, x, y);
  ctx.fillStyle = colour('ink');
  ctx.fillText(word, x, y);
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {number} scale What is looked at. */
function ring(ctx, x, y, scale) {
  ctx.beginPath();
  ctx.arc(x, y, 12 * scale, 0, 2 * Math.PI);
  ctx.lineWidth = 1.5 * scale;
  ctx.strokeStyle = colour('accent');
  ctx.stroke();
}

/** @param {CanvasRenderingContext2D} ctx @param {string} path @param {number} x @param {number} y @param {number} scale */
function mark(ctx, path, x, y, scale) {
  const shape = new Path2D(path);
  ctx.save();
  ctx.translate(x - 8 * scale, y - 8 * scale);
  ctx.scale(scale, scale);
  ctx.fillStyle = colour('surface');
  ctx.fill(shape);
  ctx.lineWidth = 1.7;
  ctx.strokeStyle = colour('ink');
  ctx.stroke(shape);
  ctx.restore();
}

/** @param {{ score: string, values: Value[], book: Codebook | null, alerts: Map<string, Raised[]>, own?: string }} props */
export function Values({ score, values, book, alerts, own }) {
  const text = t().subject;
  const times = values.map(({ at }) => Date.parse(at));
  const broken = gaps(times);
  const rows = values.map((value, place) => {
    const before = values[place - 1]?.value;
    const both = typeof value.value === 'number' && typeof before === 'number';
    const after = (times[place] ?? 0) - (times[place - 1] ?? 0);
    return {
      value,
      change: both ? Number(value.value) - Number(before) : null,
      after: broken.has(place) ? after : null,
    };
  });
  return html`<table class="values">
    <thead>
      <tr>
        <th scope="col">${text.date}</th>
        <th scope="col" class="right">${t().answers.value}</th>
        <th scope="col" class="right">${text.change}</th>
        <th scope="col">${t().answers.band}</th>
      </tr>
    </thead>
    <tbody>
      ${rows.reverse().map(
        ({
          value,
          change,
          after,
        }) => html`<tr key=${value.submissionId} class=${value.submissionId === own ? 'own' : ''}>
          <th scope="row">
            ${day(value.at)}
            ${after !== null && html`<small class="after">${t().chart.after(duration(after))}</small>`}
          </th>
          <td class="right">${figureOf({ id: score, value: value.value }, book)}</td>
          <td class="right quiet">${signed(change)}</td>
          <td>
            ${value.band && bandOf(score, value.band, book)}
            ${value.status === 'prorated' && html`<span class="quiet"> ${t().answers.prorated}</span>`}
            ${alerts.get(value.submissionId)?.map(
              (one) => html`<a class="severity" href=${address(`/alerts/${one.alertId}`)}>
                <${Shape} name=${one.severity} /> ${t().severity[one.severity]}
              </a>`,
            )}
          </td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** @param {number | null} change */
function signed(change) {
  if (change === null) return '';
  return `${change > 0 ? '+' : change < 0 ? '−' : '±'}${number(Math.abs(change))}`;
}
