/**
 * The difference between two texts, line by line. Pure: no page, no text of the screens.
 *
 * A comma at the end of a line does not count: JSON has one wherever another line follows.
 *
 * What both begin and end with is left out first; the rest is compared by its longest common subsequence. Two texts that
 * are too long for it and have little in common are shown as all of one and all of the other.
 */

/** @typedef {{ kind: 'same' | 'less' | 'more', text: string }} Line */

/** The most pairs of lines that are compared. */
const MOST = 4_000_000;

/**
 * @param {string} before
 * @param {string} after
 * @returns {Line[]}
 */
export function lineDiff(before, after) {
  const [old, fresh] = [lines(before), lines(after)];
  let head = 0;
  while (head < old.length && head < fresh.length && alike(old[head], fresh[head])) head += 1;
  let tail = 0;
  const room = Math.min(old.length, fresh.length) - head;
  while (tail < room && alike(old.at(-1 - tail), fresh.at(-1 - tail))) tail += 1;
  const [less, more] = [old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail)];
  return [
    ...fresh.slice(0, head).map((text) => line('same', text)),
    ...middle(less, more),
    ...fresh.slice(fresh.length - tail).map((text) => line('same', text)),
  ];
}

/** @param {string} text */
function lines(text) {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** @param {string | undefined} one @param {string | undefined} other */
function alike(one, other) {
  return one?.replace(/,$/, '') === other?.replace(/,$/, '');
}

/** @param {Line['kind']} kind @param {string} text @returns {Line} */
function line(kind, text) {
  return { kind, text };
}

/** @param {string[]} less @param {string[]} more */
function middle(less, more) {
  const [n, m] = [less.length, more.length];
  if (n * m > MOST) return [...less.map((text) => line('less', text)), ...more.map((text) => line('more', text))];
  // How many lines the ends from here have in common.
  const width = m + 1;
  const common = new Uint32Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = m - 1; j >= 0; j -= 1) {
      const [down, right] = [common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0];
      const both = (common[(i + 1) * width + j + 1] ?? 0) + 1;
      common[i * width + j] = alike(less[i], more[j]) ? both : Math.max(down, right);
    }
  }
  /** @type {Line[]} */
  const found = [];
  let [i, j] = [0, 0];
  while (i < n || j < m) {
    const [old, fresh] = [less[i], more[j]];
    const down = i < n ? (common[(i + 1) * width + j] ?? 0) : -1;
    const right = j < m ? (common[i * width + j + 1] ?? 0) : -1;
    if (old !== undefined && fresh !== undefined && alike(old, fresh)) {
      found.push(line('same', fresh));
      i += 1;
      j += 1;
    } else if (old !== undefined && down >= right) {
      found.push(line('less', old));
      i += 1;
    } else {
      found.push(line('more', fresh ?? ''));
      j += 1;
    }
  }
  return found;
}

/**
 * The parts of a difference that changed, with a few lines around them.
 * @param {Line[]} lines
 * @param {number} [around]
 * @returns {({ skipped: number } | Line)[]}
 */
export function hunks(lines, around = 3) {
  const near = new Set();
  for (const [at, { kind }] of lines.entries()) {
    if (kind === 'same') continue;
    for (let n = at - around; n <= at + around; n += 1) near.add(n);
  }
  /** @type {({ skipped: number } | Line)[]} */
  const shown = [];
  for (const [at, line] of lines.entries()) {
    const last = shown.at(-1);
    if (near.has(at)) shown.push(line);
    else if (last && 'skipped' in last) last.skipped += 1;
    else shown.push({ skipped: 1 });
  }
  return shown;
}
