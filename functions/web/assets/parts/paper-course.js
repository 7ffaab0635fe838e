/** The course of a score on paper: a drawing that keeps its sharpness, with bands, alerts and gaps. */

import { marks, number } from '../formats.js';
import { bandWord, t } from '../text.js';
import { html } from '../ui.js';
import { worstOf } from './course.js';
import { pathOf } from './marks.js';
import { bounds, gaps, stripes } from './series.js';

/**
 * @typedef {import('./course.js').Value} Value
 * @typedef {import('./course.js').Raised} Raised
 */

const HEIGHT = 190;
const LEFT = 34;
const FOOT = 22;
/** The drawing for paper and wide screens, and the one for phones: its width, the room for names of bands, the times below it. */
const WIDE = { form: 'wide', width: 640, room: 110, times: 5 };
const NARROW = { form: 'narrow', width: 330, room: 78, times: 3 };

/**
 * @typedef {{ values: Value[], scale: { low?: number, high?: number, bands?: import('./series.js').Band[] } | undefined,
 *   alerts: Map<string, Raised[]>, label: string }} Course The oldest first.
 */

/** A drawing in the size of its letters on paper would be too small to read on a phone, so there are two. @param {Course} props */
export function PaperCourse(props) {
  return html`<${Drawing} ...${props} size=${WIDE} /><${Drawing} ...${props} size=${NARROW} />`;
}

/** @param {Course & { size: typeof WIDE }} props */
function Drawing({ values, scale, alerts, label, size }) {
  const { form, width, room } = size;
  const times = values.map(({ at }) => Date.parse(at));
  const figures = values.map(({ value }) => (typeof value === 'number' ? value : null));
  const range = bounds(figures, scale);
  const areas = stripes(scale?.bands ?? [], range);
  const [low, high] = range;
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const names = areas.length ? room : 0;
  const left = LEFT + names + 12;
  const x = (/** @type {number} */ time) =>
    left + (last > first ? ((time - first) / (last - first)) * (width - left - 30) : 40);
  const y = (/** @type {number} */ figure) => 12 + ((high - figure) / (high - low)) * (HEIGHT - FOOT - 24);
  const floor = HEIGHT - FOOT;
  const ticks = areas.length ? [...new Set([...areas.map(({ from }) => from), high])] : [low, (low + high) / 2, high];
  return html`<svg class=${`paper-course ${form}`} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${label}>
    ${areas.map(({ name, rank, from, to }) => {
      const top = to >= high ? 0 : y(to);
      const bottom = from <= low ? floor : y(from);
      return html`<g>
        <rect class="band" x=${LEFT} y=${top} width=${width - LEFT} height=${bottom - top}
          fill-opacity=${0.03 + (0.15 * rank) / Math.max(1, areas.length - 1)} />
        ${bottom - top > 11 && html`<text x=${LEFT + 5} y=${(top + bottom) / 2 + 4}>${bandWord(name)}</text>`}
      </g>`;
    })}
    ${ticks.map((tick) => html`<text x=${LEFT - 5} y=${y(tick) + 4} text-anchor="end">${number(tick)}</text>`)}
    <path class="floor" d=${`M${LEFT} ${floor}H${width}`} />
    ${timesOf(first, last, size.times).map(
      (time) => html`<text x=${Math.min(x(time), width - 38)} y=${HEIGHT - 6} text-anchor="middle">
        ${marks({ day: 'numeric', month: 'short', year: '2-digit' }).format(time)}
      </text>`,
    )}
    <path class="line" d=${lineOf(times, figures, x, y)} />
    ${values.map(({ submissionId }, n) => {
      const figure = figures[n];
      const [at, to] = [x(times[n] ?? 0), figure == null ? floor - 9 : y(figure)];
      const worst = worstOf(alerts.get(submissionId));
      const shape = worst?.severity ?? (figure == null ? 'dead' : null);
      if (!shape) return html`<circle class="point" cx=${at} cy=${to} r="3" />`;
      return html`<path class="mark" transform=${`translate(${at - 6.4} ${to - 6.4}) scale(0.8)`} d=${pathOf(shape)} />
        ${worst && html`<text class="word" x=${at} y=${to < 26 ? to + 19 : to - 10} text-anchor="middle">${t().severity[worst.severity]}</text>`}`;
    })}
  </svg>`;
}

/** @param {number} first @param {number} last @param {number} count Times at equal distances. */
function timesOf(first, last, count) {
  if (first === last) return [first];
  return Array.from({ length: count }, (_, n) => first + ((last - first) * n) / (count - 1));
}

/**
 * The line, broken at gaps and where there is no figure.
 * @param {number[]} times
 * @param {(number | null)[]} figures
 * @param {(time: number) => number} x
 * @param {(figure: number) => number} y
 */
function lineOf(times, figures, x, y) {
  const broken = gaps(times);
  let pen = 'M';
  return figures
    .map((figure, n) => {
      if (broken.has(n) || figure === null) pen = 'M';
      if (figure === null) return '';
      const piece = `${pen}${x(times[n] ?? 0).toFixed(1)} ${y(figure).toFixed(1)}`;
      pen = 'L';
      return piece;
    })
    .join('');
}
