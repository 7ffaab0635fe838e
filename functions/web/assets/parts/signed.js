/**
 * Signed heads of the log, read and checked in the browser. No application is asked.
 *
 * Guarantee: what is checked are the very bytes that were signed. Where the browser cannot check a signature, that is said, and
 * nothing is taken for right.
 */

/**
 * @typedef {{ name: string, position: string, count: number, hash: string, restarts?: number }} Mark
 * @typedef {{ n: number, at: string, key: string, previous: string, journals: Mark[], all: string, signature: string }} Head
 * @typedef {'kept' | 'there' | 'last' | 'key' | 'grows' | 'journals'} Check
 * @typedef {{ check: Check, ok: boolean | null }} Checked `ok` is null where the browser cannot tell.
 */

/** Stands before the document in what is signed. */
const CONTEXT = 'vigil head 1\n';
/** The beginning of the last member of the document. */
const SIGNATURE = ',"signature":"';

/** @param {string} document @returns {Head | null} Nothing, if it is no head. */
export function readHead(document) {
  try {
    const head = JSON.parse(document);
    const texts = [head.at, head.key, head.previous, head.all, head.signature];
    const fits = Number.isInteger(head.n) && Array.isArray(head.journals);
    return fits && texts.every((text) => typeof text === 'string') ? head : null;
  } catch {
    return null;
  }
}

/** @param {string} text Base64. */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/**
 * Whether a document is signed by the key that it names; null where the browser has no Ed25519.
 * @param {string} document
 * @returns {Promise<boolean | null>}
 */
export async function isSigned(document) {
  const head = readHead(document);
  const end = document.lastIndexOf(SIGNATURE);
  if (!head || end < 0 || document.slice(end) !== `${SIGNATURE}${head.signature}"}`) return false;
  const message = new TextEncoder().encode(`${CONTEXT}${document.slice(0, end)}}`);
  let key;
  try {
    key = await crypto.subtle.importKey('raw', bytesOf(head.key), 'Ed25519', false, ['verify']);
  } catch (error) {
    // A key that is none is a fault of the head; an algorithm or a context without one is the browser's.
    const wrong = error instanceof DOMException && ['DataError', 'InvalidCharacterError'].includes(error.name);
    return wrong ? false : null;
  }
  try {
    return await crypto.subtle.verify('Ed25519', key, bytesOf(head.signature), message);
  } catch {
    return false;
  }
}

/**
 * Compares a head that was kept elsewhere with the last one, and with what the log has under its number.
 * @param {string} kept
 * @param {string} last
 * @param {string | null} there Nothing, if the log has no such head.
 * @returns {Promise<Checked[]>}
 */
export async function compareHeads(kept, last, there) {
  const [before, now] = [readHead(kept), readHead(last)];
  if (!before || !now) return [{ check: before ? 'last' : 'kept', ok: false }];
  const marks = new Map(now.journals.map((mark) => [mark.name, mark]));
  // A head lists only the journals that went on, so some are in one of the two alone.
  const shrunk = before.journals.some((mark) => {
    const later = marks.get(mark.name);
    return later !== undefined && (later.restarts ?? 0) === (mark.restarts ?? 0) && later.count < mark.count;
  });
  const restarted = before.journals.some((mark) => (marks.get(mark.name)?.restarts ?? 0) > (mark.restarts ?? 0));
  return [
    { check: 'kept', ok: await isSigned(kept) },
    { check: 'there', ok: there === kept },
    { check: 'last', ok: await isSigned(last) },
    { check: 'key', ok: before.key === now.key },
    { check: 'grows', ok: now.n > before.n ? now.at >= before.at : last === kept },
    { check: 'journals', ok: !shrunk && !restarted },
  ];
}
