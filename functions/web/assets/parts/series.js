/**
 * What a chart of values over time needs to know: where the line is broken, within which bounds it lies, which band a value
 * is in. Pure: no page, no text of the screens.
 */

/** @typedef {{ id: string, label?: string, from?: number, below?: number }} Band */

/** An entry is missing where so many times the usual interval passed. */
export const LATE = 1.75;
/** So many intervals tell what is usual. */
const ENOUGH = 3;

/**
 * The usual interval between entries: their median; null if there are too few to tell.
 * @param {number[]} times The oldest first.
 */
export function usualInterval(times) {
  const all = intervals(times).sort((one, other) => one - other);
  return all.length < ENOUGH ? null : (all[Math.floor((all.length - 1) / 2)] ?? null);
}

/** @param {number[]} times */
function intervals(times) {
  return times.slice(1).map((time, place) => time - (times[place] ?? time));
}

/**
 * The places before which the line is broken, because longer than usual passed.
 * @param {number[]} times The oldest first.
 */
export function gaps(times) {
  const usual = usualInterval(times);
  const late = intervals(times).map((interval) => usual !== null && interval > LATE * usual);
  return new Set(late.flatMap((is, place) => (is ? [place + 1] : [])));
}

/**
 * Columns of a chart: between two values with a gap there is a place without one. `places` has the column of each value.
 * @param {number[]} times
 * @param {(number | null)[]} values
 * @returns {{ xs: number[], ys: (number | null)[], places: number[] }}
 */
export function columns(times, values) {
  const broken = gaps(times);
  /** @type {number[]} */
  const xs = [];
  /** @type {(number | null)[]} */
  const ys = [];
  const places = times.map((time, place) => {
    if (broken.has(place)) {
      xs.push((time + (times[place - 1] ?? time)) / 2);
      ys.push(null);
    }
    xs.push(time);
    ys.push(values[place] ?? null);
    return xs.length - 1;
  });
  return { xs, ys, places };
}

/**
 * The least and the greatest figure of a chart: those of the scale, else those of the values.
 * @param {(number | null)[]} values
 * @param {{ low?: number, high?: number } | undefined} scale
 * @returns {[number, number]}
 */
export function bounds(values, scale) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(scale?.low ?? Infinity, ...known);
  const high = Math.max(scale?.high ?? -Infinity, ...known);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

/**
 * The bands with their bounds; the outer ones reach as far as the figures do.
 * @param {Band[]} bands The lowest first.
 * @param {[number, number]} bounds
 */
export function stripes(bands, [low, high]) {
  return bands
    .map(({ id, label, from, below }, rank) => ({
      ...{ name: label ?? id, rank },
      from: Math.max(low, from ?? low),
      to: Math.min(high, below ?? high),
    }))
    .filter(({ from, to }) => to > from || (from === to && to === high));
}
