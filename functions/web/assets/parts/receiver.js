/** The state of a receiver, in a word and a shape: its breaker, or else how its last call ended. */

import { number } from '../formats.js';
import { t } from '../text.js';
import { html } from '../ui.js';
import { outcomeOf, shapeOf } from './attempts.js';
import { Shape } from './marks.js';

/**
 * @typedef {import('../api.js').Receiver} Receiver
 * @typedef {'disabled' | 'open' | 'half-open' | 'failed' | 'uncalled' | 'well'} Stand
 */

/** The worst first; lists of receivers have this order. @type {Stand[]} */
const STANDS = ['disabled', 'open', 'half-open', 'failed', 'uncalled', 'well'];

/** @param {Receiver} receiver @returns {Stand} */
function standOf({ disabledSince, breaker, attempts: [last] }) {
  if (disabledSince) return 'disabled';
  if (breaker === 'open' || breaker === 'half-open') return breaker;
  if (!last) return 'uncalled';
  return last.outcome === 'delivered' ? 'well' : 'failed';
}

/** @param {Receiver[]} receivers Those in trouble come first; the others stay in their order. */
export function worstFirst(receivers) {
  const rank = (/** @type {Receiver} */ one) => Math.min(STANDS.indexOf(standOf(one)), STANDS.indexOf('uncalled'));
  return [...receivers].sort((one, other) => rank(one) - rank(other));
}

/** @param {Receiver} receiver Whether nobody calls it until a person looks. */
export function isCutOff(receiver) {
  return ['disabled', 'open', 'half-open'].includes(standOf(receiver));
}

/** @param {{ receiver: Receiver }} props */
export function Stand({ receiver }) {
  const stand = standOf(receiver);
  const [last] = receiver.attempts;
  const shapes = { disabled: 'quiet', open: 'dead', 'half-open': 'waiting', uncalled: 'open', well: 'acknowledged' };
  const shape = stand === 'failed' ? shapeOf(last?.outcome ?? '') : shapes[stand];
  return html`<${Shape} name=${shape} /> ${wordsOf(stand, receiver)}`;
}

/** @param {Stand} stand @param {Receiver} receiver */
function wordsOf(stand, { calls, failed, attempts: [last] }) {
  const text = t().deliveries;
  // Its calls may be older than the breaker's window.
  const failures = calls ? text.failures(number(failed), number(calls)) : text.failedBefore;
  if (stand === 'failed' && last) return text.lastCall(outcomeOf(last));
  if (stand === 'open') return text.notCalled(failures);
  if (stand === 'half-open') return text.triesAgain(failures);
  return { disabled: text.disabled, uncalled: text.uncalled, well: text.healthy, failed: '' }[stand];
}
