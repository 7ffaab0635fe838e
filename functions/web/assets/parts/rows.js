/**
 * The rows of a file: CSV, a JSON array, or JSON lines. Pure: no page, no text of the screens. A JSON row goes on as it was
 * written, so that no digit of a long number is lost; a line of CSV becomes a report or a response.
 */

/**
 * @typedef {import('../api.js').Finding} Finding
 * @typedef {{ n: number, raw: string, about: string, cells: string[], findings: Finding[] | null, more: number,
 *   outcome: import('../api-setup.js').Outcome | null }} Row `n`: its number as the person's own program shows it.
 *   `findings`: null until it was checked.
 * @typedef {{ kind: 'csv' | 'json' | 'lines', header: string[], rows: Row[], encoding: string }} File
 */

/** The members beside answers or data. */
const OUTER = [
  'reportId',
  'responseId',
  'studyId',
  'siteId',
  'patientId',
  'kind',
  'authoredAt',
  'instrument',
  'instrumentVersion',
];
/** Members of reports that are lists: their cells have several values with semicolons between them. */
const LISTS = ['seriousnessCriteria'];

/**
 * The text of a file: UTF-8, else GB 18030, in which Excel writes CSV on Chinese computers.
 * @param {ArrayBuffer} bytes
 */
export function decoded(bytes) {
  for (const encoding of ['utf-8', 'gb18030']) {
    try {
      return { encoding, text: new TextDecoder(encoding, { fatal: true }).decode(bytes) };
    } catch {
      // Another one fits, or none.
    }
  }
  return null;
}

/**
 * @param {string} text
 * @param {string} encoding
 * @returns {File | null} Null if there are no rows in it.
 */
export function readRows(text, encoding) {
  const first = /\S/.exec(text)?.[0];
  if (!first) return null;
  const file = first === '[' ? array(text) : first === '{' ? jsonLines(text) : csv(text);
  return file.rows.length ? { ...file, encoding } : null;
}

/** @param {string} raw @param {number} n @returns {Row} */
function jsonRow(raw, n) {
  let [about, fault] = ['', ''];
  try {
    about = summary(JSON.parse(raw));
  } catch {
    fault = 'no-json';
  }
  const findings = fault ? [{ pointer: '', code: fault, detail: '' }] : null;
  // A line break within a row would end it.
  return { n, raw: raw.replace(/[\r\n]+/g, ' '), about, cells: [raw], findings, more: 0, outcome: null };
}

/** @param {any} document What tells it from others. */
function summary(document) {
  const what = document?.instrument ?? document?.kind;
  return [document?.patientId, what].filter((one) => typeof one === 'string').join(' · ');
}

/** @param {string} text */
function jsonLines(text) {
  const rows = text.split('\n').flatMap((line, at) => (line.trim() ? [jsonRow(line.trim(), at + 1)] : []));
  // One document on several lines.
  const whole = rows.length > 1 && rows[0]?.findings ? jsonRow(text.trim(), 1) : null;
  return { kind: /** @type {const} */ ('lines'), header: ['row'], rows: whole && !whole.findings ? [whole] : rows };
}

/** @param {string} text The elements of an array as they are written. */
function array(text) {
  /** @type {Row[]} */
  const rows = [];
  let [depth, from] = [0, -1];
  const end = (/** @type {number} */ at) => {
    const raw = from < 0 ? '' : text.slice(from, at).trim();
    if (raw) rows.push(jsonRow(raw, rows.length + 1));
    from = at + 1;
  };
  for (const { 0: mark, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/g)) {
    if (mark === '[' || mark === '{') {
      depth += 1;
      if (depth === 1) from = index + 1;
    } else if (mark === ']' || mark === '}') {
      depth -= 1;
      if (depth === 0) end(index);
    } else if (mark === ',' && depth === 1) end(index);
  }
  // What is not closed is a row that is no JSON.
  if (depth > 0) end(text.length);
  return { kind: /** @type {const} */ ('json'), header: ['row'], rows };
}

/** @param {string} text */
function csv(text) {
  const [names = [], ...records] = cellsOf(text.replace(/^\uFEFF/, ''));
  const header = names.map((name) => name.trim());
  const rows = records.flatMap((cells, at) => {
    if (cells.every((cell) => !cell.trim())) return [];
    const document = documentOf(header, cells);
    const raw = JSON.stringify(document);
    // The header is the first row of the table.
    return [{ n: at + 2, raw, about: summary(document), cells, findings: null, more: 0, outcome: null }];
  });
  return { kind: /** @type {const} */ ('csv'), header, rows };
}

/** @param {string} text The cells of all records (RFC 4180), with commas, semicolons or tabs between them. */
function cellsOf(text) {
  const [head = ''] = text.split('\n', 1);
  const count = (/** @type {string} */ mark) => head.split(mark).length;
  const [mark = ','] = [',', ';', '\t'].sort((one, other) => count(other) - count(one));
  /** @type {string[][]} */
  const records = [];
  /** @type {string[]} */
  let cells = [];
  const token = new RegExp(`(?:"((?:[^"]|"")*)"[^${mark}\\r\\n]*|([^${mark}\\r\\n]*))(${mark}|\\r?\\n|\\r|$)`, 'y');
  while (token.lastIndex < text.length) {
    const [, quoted, bare, end] = token.exec(text) ?? [];
    if (end === undefined) break;
    cells.push(quoted?.replaceAll('""', '"') ?? bare ?? '');
    if (end === mark) {
      // A record that ends with a separator has one more cell, an empty one.
      if (token.lastIndex === text.length) cells.push('');
      continue;
    }
    records.push(cells);
    cells = [];
  }
  if (cells.length) records.push(cells);
  return records;
}

/** @param {string[]} header @param {string[]} cells */
function documentOf(header, cells) {
  const given = header.map((name, at) => /** @type {const} */ ([name, (cells[at] ?? '').trim()]));
  // Those that a download of faults added are left out.
  const filled = given.filter(([name, cell]) => name && cell && !name.startsWith('#'));
  const inner = filled.some(([name]) => name === 'instrument' || name.startsWith('answers.')) ? 'answers' : 'data';
  /** @type {Record<string, any>} */
  const document = Object.create(null);
  for (const [name, cell] of filled) {
    if (OUTER.includes(name)) document[name] = cell;
    else {
      const path = name.split('.');
      const named = ['answers', 'data', 'parameters'].includes(path[0] ?? '');
      put(document, named ? path : [inner, ...path], cell);
    }
  }
  if (!(inner in document)) document[inner] = {};
  return document;
}

/**
 * Puts a cell at a path. A number in it is a place in a list: `symptoms.0.name`.
 * @param {any} document
 * @param {string[]} path
 * @param {string} cell
 */
function put(document, path, cell) {
  let at = document;
  for (const [depth, name] of path.slice(0, -1).entries()) {
    const list = /^\d{1,2}$/.test(path[depth + 1] ?? '');
    if (typeof at[name] !== 'object') at[name] = list ? [] : Object.create(null);
    at = at[name];
  }
  const name = path.at(-1) ?? '';
  if (LISTS.includes(name)) at[name] = cell.split(';').map((one) => one.trim());
  else at[name] = path[0] === 'parameters' ? cell : typed(cell);
}

/** @param {string} cell A number or a flag where it is written as one. */
function typed(cell) {
  if (/^(true|false)$/i.test(cell)) return cell.toLowerCase() === 'true';
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(cell) ? Number(cell) : cell;
}

/**
 * Rows in portions that a request takes.
 * @param {Row[]} rows
 * @param {number} [most]
 * @param {number} [bytes]
 */
export function portions(rows, most = 500, bytes = 4 * 1024 * 1024) {
  /** @type {Row[][]} */
  const all = [];
  let room = 0;
  for (const row of rows) {
    // A character has three bytes in UTF-8 at most, for each of its units.
    const size = row.raw.length * 3 + 1;
    const last = all.at(-1);
    if (last && last.length < most && size <= room) last.push(row);
    else {
      all.push([row]);
      room = bytes;
    }
    room -= size;
  }
  return all;
}

/**
 * Rows as CSV, as they were in the file, each with its number and its faults in front.
 * @param {string[]} header
 * @param {{ row: Row, faults: string }[]} rows
 */
export function asCsv(header, rows) {
  const cell = (/** @type {string} */ text) => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (/** @type {string[]} */ cells) => `${cells.map(cell).join(',')}\r\n`;
  const body = rows.map(({ row, faults }) => line([String(row.n), faults, ...row.cells]));
  // The mark tells Excel that it is UTF-8.
  return `\uFEFF${line(['#row', '#faults', ...header])}${body.join('')}`;
}
