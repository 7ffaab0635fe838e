/** The public API as far as instruments, batches and configuration need it. With `api.js`, the only one that knows its paths. */

import { call, parameters, part, Refusal } from './api.js';

/**
 * @typedef {import('./api.js').Finding} Finding
 * @typedef {{ id: string, version: string, versions: string[], title: string, licence: string, sha256: string,
 *   builtIn: boolean, items: number, scores: string[] }} Listed
 * @typedef {Record<string, any>} Condition
 * @typedef {{ id: string, severity: import('./api.js').Severity, always?: boolean, when: Condition }} Rule
 * @typedef {{ id: string, title?: string, choices?: string[], range?: [number, number], default?: string | number }} Parameter
 * @typedef {{ id: string, version: string, title: string, licence: string, languages: string[], sources: string[],
 *   notes?: string[], parameters?: Parameter[], alerts?: Rule[] }} Definition
 * @typedef {{ id: string, text?: string, loinc?: string, required: boolean, kind: 'integer' | 'decimal', low: number,
 *   high: number, options?: Option[] }} Item
 * @typedef {{ value: number, code?: string, label?: string, weight: number | null }} Option
 * @typedef {{ id: string, title?: string, low?: number, high?: number, source?: string,
 *   bands?: { id: string, label?: string, from?: number, below?: number }[] }} Scale
 * @typedef {{ title: string, version: string, sha256: string, items: Item[], scores: Scale[] }} Book
 * @typedef {{ scores: import('./api.js').Score[],
 *   alerts: { rule: string, severity: import('./api.js').Severity, reason: string }[] }} Tried
 */

/** @returns {Promise<Listed[]>} */
export async function instruments() {
  return (await call('GET', '/v1/instruments')).instruments;
}

/**
 * A version of an instrument; the one in force, if none is named. `text` is the definition byte for byte.
 * @param {string} id
 * @param {string} version
 * @returns {Promise<{ listed: Listed | undefined, definition: Definition, text: string, book: Book }>}
 */
export async function instrument(id, version) {
  const path = `/v1/instruments/${part(id)}`;
  const query = parameters({ version });
  const [listed, text, book] = await Promise.all([
    instruments(),
    call('GET', `${path}${query}`, { text: true }),
    call('GET', `${path}/codebook${query}`),
  ]);
  return { listed: listed.find((one) => one.id === id), definition: JSON.parse(text), text, book };
}

/**
 * Scores answers by a definition, and stores nothing.
 * @param {string} id
 * @param {string} text The definition.
 * @param {{ answers: Record<string, number>, parameters: Record<string, string> }} example
 * @returns {Promise<Tried>}
 */
export async function tryOut(id, text, example) {
  const raw = `{"definition":${text},"examples":[${JSON.stringify(example)}]}`;
  const { examples } = await call('PUT', `/v1/instruments/${part(id)}?dry-run=true`, { raw });
  return examples[0];
}

/**
 * @typedef {{ document: string, version: number | null, at?: string, by?: string, byName?: string }} Version
 * @typedef {{ n: number, at: string, actor: string, byName?: string, actorName?: string,
 *   reason?: string, meaning?: string }} Change
 */

/** @returns {Promise<Version[]>} */
export async function documents() {
  return (await call('GET', '/v1/config')).documents;
}

/**
 * A document: what is in force, the version that is asked for, and who changed it when. `text` is null where it was never
 * stored, `earlier` where there is no version before the one that is asked for.
 * @param {string} name
 * @param {string} version Empty for the one in force.
 * @returns {Promise<{ current: Version, inForce: string | null, text: string | null, earlier: string | null,
 *   changes: Change[] }>}
 */
export async function document(name, version) {
  const current = (await documents()).find(({ document }) => document === name);
  if (!current) throw new Refusal('missing');
  const path = `/v1/config/${part(name)}`;
  /** @param {string} version */
  const content = async (version) => formatted(await call('GET', `${path}${parameters({ version })}`));
  if (current.version === null) return { current, inForce: null, text: null, earlier: null, changes: [] };
  const before = Number(version || current.version) - 1;
  const [inForce, text, earlier, trail] = await Promise.all([
    content(String(current.version)),
    content(version || String(current.version)),
    before > 0 ? content(String(before)).catch(() => null) : null,
    call('GET', `/v1/audit/config/${part(name)}`, { accept: [403, 404] }),
  ]);
  return { current, inForce, text, earlier, changes: trail?.records ?? [] };
}

/** @param {unknown} document */
function formatted(document) {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Checks a document, and stores nothing.
 * @param {string} name
 * @param {string} raw
 */
export async function checkDocument(name, raw) {
  await call('PUT', `/v1/config/${part(name)}?dry-run=true`, { raw });
}

/**
 * Stores a document in place of the version that was seen.
 * @param {string} name
 * @param {string} raw
 * @param {{ seen: number | null, reason: string, meaning?: string }} how `meaning`: what a person declares who signs it.
 * @returns {Promise<Version>}
 */
export function storeDocument(name, raw, { seen, reason, meaning }) {
  const match = seen === null ? undefined : `"${seen}"`;
  return call('PUT', `/v1/config/${part(name)}`, { raw, reason, meaning, match });
}

/**
 * @typedef {{ index: number, valid: boolean, errors: Finding[], moreErrors?: number }} CheckedRow
 * @typedef {'accepted' | 'duplicate' | 'conflict' | 'rejected' | 'not-processed'} Outcome
 * @typedef {{ index: number, status: Outcome, errors?: Finding[], moreErrors?: number, firstReceivedAt?: string }} SentRow
 */

/** How long many rows may take, milliseconds. */
const LONG = 120000;
const NDJSON = 'application/x-ndjson';

/**
 * Checks rows, and stores nothing.
 * @param {string[]} rows Each a JSON text of one line.
 * @returns {Promise<CheckedRow[]>}
 */
export async function checkRows(rows) {
  return (await call('POST', '/v1/validate', { raw: rows.join('\n'), type: NDJSON, patience: LONG })).rows;
}

/**
 * Sends rows. `ended` says why no more were taken: `complete` if all were.
 * @param {string[]} rows Each a JSON text of one line.
 * @returns {Promise<{ rows: SentRow[], ended: string }>}
 */
export function sendRows(rows) {
  return call('POST', '/v1/reports/batch', { raw: rows.join('\n'), type: NDJSON, patience: LONG });
}
