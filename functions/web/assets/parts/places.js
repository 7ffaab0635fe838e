/**
 * Where the members of a JSON text stand: the line of each pointer, and the line of what is no JSON. Pure: no page, no text
 * of the screens.
 */

/** @typedef {{ places: Map<string, number>, wrong: number | null }} Read `wrong`: the line where it ceases to be JSON. */

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\\n]|\\.)*")|(-?\d[\d.eE+-]*|true|false|null))/y;

/**
 * @param {string} text
 * @returns {Read}
 */
export function readPlaces(text) {
  const places = new Map([['', 1]]);
  const starts = lineStarts(text);
  TOKEN.lastIndex = 0;
  let at = 0;
  /** The containers that are open: their pointers, and the number of the next element. @type {{ path: string, next: number | null }[]} */
  const open = [];
  let path = '';
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) {
      at = from;
      break;
    }
    at = TOKEN.lastIndex;
    const [, mark, string] = found;
    const inside = open.at(-1);
    const line = lineOf(starts, at - 1);
    if (mark === '}' || mark === ']') open.pop();
    else if (mark === ',' || mark === ':') continue;
    else if (string && inside?.next === null && /^\s*:/.test(text.slice(at, at + 200))) {
      path = `${inside.path}/${escaped(string)}`;
      // The last of several members of one name is what counts, as in JSON.parse.
      places.set(path, line);
    } else {
      if (inside && inside.next !== null) {
        path = `${inside.path}/${inside.next}`;
        inside.next += 1;
        places.set(path, line);
      }
      if (mark) open.push({ path: inside ? path : '', next: mark === '[' ? 0 : null });
    }
  }
  return { places, wrong: isJson(text) ? null : faultLine(text, starts, at) };
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The line of a fault, as the browser tells it; else the line up to which there are tokens.
 * @param {string} text
 * @param {number[]} starts
 * @param {number} at
 */
function faultLine(text, starts, at) {
  try {
    JSON.parse(text);
  } catch (error) {
    const [, line] = /line (\d+)/.exec(String(error)) ?? [];
    if (line) return Number(line);
    const [, position] = /position (\d+)/.exec(String(error)) ?? [];
    if (position) return lineOf(starts, Number(position));
    // The text ends too early.
    if (/end of/i.test(String(error))) return starts.length;
  }
  return lineOf(starts, at);
}

/** @param {string} string The member's name as it is written. */
function escaped(string) {
  let name = string.slice(1, -1);
  try {
    name = JSON.parse(string);
  } catch {
    // The fault is told by its line.
  }
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** @param {string} text */
function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** @param {number[]} starts @param {number} at */
function lineOf(starts, at) {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= at) low = middle;
    else high = middle;
  }
  return low + 1;
}

/**
 * The line of a pointer; of what it is part of, if the member is not there.
 * @param {Map<string, number>} places
 * @param {string} pointer
 */
export function placeOf(places, pointer) {
  for (let path = pointer; path; path = path.slice(0, path.lastIndexOf('/'))) {
    const line = places.get(path);
    if (line) return line;
  }
  return 1;
}

/**
 * Where a line begins and ends in the text.
 * @param {string} text
 * @param {number} line
 * @returns {[number, number]}
 */
export function spanOf(text, line) {
  const starts = lineStarts(text);
  const from = starts[line - 1] ?? 0;
  const end = text.indexOf('\n', from);
  return [from, end < 0 ? text.length : end];
}
