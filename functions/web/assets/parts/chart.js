/**
 * A chart over time: uPlot on a canvas, fetched when the first chart is shown. One cursor goes from value to value by mouse,
 * touch and keyboard, and says each to a screen reader. Colours are those of the theme, by day and by night.
 *
 * Not for: what only the picture would say. A table stands beside every chart.
 */

import { marks, number } from '../formats.js';
import { language, t } from '../text.js';
import { Followed, html, useEffect, useRef, useState } from '../ui.js';

/**
 * @typedef {import('../vendor/uplot.mjs').default} UPlot
 * @typedef {import('../vendor/uplot.mjs').default.Options} Options
 * @typedef {import('../vendor/uplot.mjs').default.AlignedData} Data
 */

/** @type {Promise<typeof import('../vendor/uplot.mjs').default> | undefined} */
let library;

function fetched() {
  library ??= import('../vendor/uplot.mjs').then((module) => module.default);
  library.catch(() => {
    library = undefined;
  });
  return library;
}

const DARK = matchMedia('(prefers-color-scheme: dark)');
/** Tells whether it is dark: a canvas does not follow by itself. */
const dark = new Followed(DARK.matches);
DARK.addEventListener('change', () => dark.set(DARK.matches));

/**
 * A colour of the theme.
 * @param {string} name
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
}

/**
 * The font of the page, for a canvas.
 * @param {number} [scale] The pixels of the device in one of the page, where nobody else applies them.
 */
export function font(scale = 1) {
  const { fontFamily, fontSize } = getComputedStyle(document.body);
  return `${Math.round(0.8 * Number.parseFloat(fontSize) * scale)}px ${fontFamily}`;
}

/** @type {Array<[number, Intl.DateTimeFormatOptions]>} What an axis of times says, by the seconds between two of its marks. */
const MARKS = [
  [86400 * 28, { month: 'short', year: 'numeric' }],
  [86400, { day: 'numeric', month: 'short' }],
  [0, { hour: '2-digit', minute: '2-digit' }],
];

/** @returns {Options['axes']} An axis of times, and one of figures. @param {{ figures?: Partial<import('../vendor/uplot.mjs').default.Axis> }} how */
function axes({ figures }) {
  const look = { font: font(), stroke: () => colour('quiet'), ticks: { show: false }, gap: 6 };
  const grid = { stroke: () => colour('line'), width: 1 };
  return [
    {
      ...{ ...look, grid: { show: false }, space: 84, size: 28 },
      values: (_, splits, __, ___, increment) => {
        const format = marks(MARKS.find(([least]) => increment >= least)?.[1] ?? {});
        return splits.map((split) => format.format(split * 1000));
      },
    },
    {
      ...{ ...look, grid, space: 34 },
      values: (_, splits) => splits.map((split) => number(split)),
      size: (_, texts) => 14 + 8 * Math.max(1, ...(texts ?? []).map((text) => text.length)),
      ...figures,
    },
  ];
}

/**
 * @param {{ data: Data, places: number[], at: number, onMove: (at: number) => void, label: string,
 *   words: (at: number) => string, series: Options['series'], scales: Options['scales'],
 *   figures?: Partial<import('../vendor/uplot.mjs').default.Axis>, height?: number, under?: (plot: UPlot) => void,
 *   over?: (plot: UPlot) => void, drawn?: string, ring?: number }} props
 *   `places`: the columns at which the cursor stops; `at`: at which of them it is; `words`: what a stop says. `under`, `over`:
 *   draw beneath and above the lines, and again when `drawn` changes. `ring`: the
 *   size of the cursor around a value.
 */
export function Chart(props) {
  const { data, places, at, onMove, label, words, height = 220, drawn } = props;
  const latest = useRef(props);
  latest.current = props;
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {UPlot | null} */ (null));
  const [failed, setFailed] = useState(false);
  const night = dark.use();
  const tongue = language();
  const last = places.length - 1;

  useEffect(() => {
    let current = true;
    const element = host.current;
    if (!element) return;
    const draw = async () => {
      const Plot = await fetched().catch(() => null);
      if (!current) return;
      if (!Plot) return setFailed(true);
      plot.current = new Plot(options(latest, element.clientWidth, height), data, element);
      follow(plot.current, places, (place) => onMove(place));
    };
    draw();
    const observer = new ResizeObserver(() => {
      if (element.clientWidth !== plot.current?.width) plot.current?.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      current = false;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [data, night, tongue, height]);
  useEffect(() => {
    if (plot.current) show(plot.current, places[at]);
  }, [at, data]);
  useEffect(() => {
    plot.current?.redraw(false);
  }, [drawn]);

  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last }[
      event.key
    ];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    onMove(Math.max(0, Math.min(last, to)));
  };
  if (failed) return html`<p class="quiet">${t().chart.failed}</p>`;
  return html`<div
    class="chart ${height < 200 ? 'low' : ''}"
    ref=${host}
    role="slider"
    tabindex="0"
    aria-label=${label}
    aria-valuemin="1"
    aria-valuemax=${places.length}
    aria-valuenow=${at + 1}
    aria-valuetext=${words(at)}
    onKeyDown=${pressed}
  ></div>`;
}

/**
 * @param {{ current: Parameters<typeof Chart>[0] }} latest
 * @param {number} width
 * @param {number} height
 * @returns {Options}
 */
function options(latest, width, height) {
  const { series, scales, figures, ring = 20 } = latest.current;
  const none = () => null;
  /** @type {Options['hooks']} */
  const hooks = {
    ready: [(plot) => show(plot, latest.current.places[latest.current.at])],
    setSize: [(plot) => show(plot, latest.current.places[latest.current.at])],
    drawClear: [(plot) => latest.current.under?.(plot)],
    draw: [(plot) => latest.current.over?.(plot)],
  };
  return {
    ...{
      width,
      height,
      series,
      scales,
      hooks,
      axes: axes({ figures }),
      legend: { show: false },
      padding: [10, 26, 0, 0],
    },
    cursor: {
      ...{ y: false, drag: { x: false, y: false, setScale: false } },
      // The cursor goes to values alone, whatever moves it.
      bind: { mousemove: none, mouseenter: none, mouseleave: none, mousedown: none, mouseup: none, dblclick: none },
      points: { size: ring, width: 2, fill: () => 'transparent', stroke: () => colour('accent') },
    },
  };
}

/**
 * Moves the cursor to a column.
 * @param {UPlot} plot
 * @param {number | undefined} column
 */
function show(plot, column) {
  const x = plot.data[0][column ?? -1];
  if (x !== undefined) plot.setCursor({ left: plot.valToPos(x, 'x'), top: 0 }, false);
}

/**
 * Follows mouse, pen and finger: the cursor goes to the nearest value.
 * @param {UPlot} plot
 * @param {number[]} places
 * @param {(at: number) => void} onMove
 */
function follow(plot, places, onMove) {
  /** @param {PointerEvent} event */
  const moved = (event) => {
    const left = event.clientX - plot.over.getBoundingClientRect().left;
    const away = places.map((column) => Math.abs(plot.valToPos(plot.data[0][column] ?? 0, 'x') - left));
    onMove(away.indexOf(Math.min(...away)));
  };
  plot.over.addEventListener('pointermove', moved);
  plot.over.addEventListener('pointerdown', moved);
}

/**
 * The width of the widest of some words, in pixels of the page.
 * @param {UPlot} plot
 * @param {string[]} words
 */
export function widest(plot, words) {
  plot.ctx.font = font();
  return Math.max(0, ...words.map((word) => plot.ctx.measureText(word).width));
}
