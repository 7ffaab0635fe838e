/**
 * Signing: a person declares what an act means before it is sent. A key, which is a program's, signs nothing.
 *
 * Guarantee: what is signed is sent with the sentence that the person saw. Where Vigil wants the person to authenticate again, the
 * identity provider leads back to this address; the person does the act again then.
 */

import * as api from '../api.js';
import { identityProviders } from '../api-access.js';
import { leave } from '../provider.js';
import { onEnd, session } from '../session.js';
import { t } from '../text.js';
import { Followed, html, useState } from '../ui.js';
import { Dialog, say, sayWhy } from './act.js';
import { kindOf } from './pages.js';

/**
 * @typedef {keyof import('../text.js').Text['signing']['meanings']} Signed
 * @typedef {{ act: Signed, run: (meaning: string) => Promise<void>, cancel: () => void }} Wish
 */

/** The longest meaning, characters. */
const LONGEST = 200;

/** What waits for a signature. */
const wish = new Followed(/** @type {Wish | null} */ (null));
onEnd(() => wish.value?.cancel());

/**
 * Asks a person for a signature, and then does it.
 * @template T
 * @param {Signed} act
 * @param {(meaning?: string) => Promise<T>} send
 * @returns {Promise<T>}
 */
export function sign(act, send) {
  if (!session.value?.who.person) return send();
  wish.value?.cancel();
  return new Promise((done, failed) => {
    const close = () => wish.set(null);
    const cancel = () => {
      close();
      failed(new api.Refusal('unsigned'));
    };
    /** @param {string} meaning */
    const run = async (meaning) => {
      try {
        const answer = await send(meaning);
        close();
        done(answer);
      } catch (error) {
        // The dialog says how to go on.
        if (kindOf(error) === 'signature') throw error;
        close();
        failed(error);
      }
    };
    wish.set({ act, run, cancel });
  });
}

/**
 * Does something about an alert; resolving it is signed.
 * @param {string} id
 * @param {'acknowledge' | 'resolve' | 'reopen'} act
 * @param {string} [note]
 */
export function attend(id, act, note) {
  if (act !== 'resolve') return api.attend(id, act, note);
  return sign('resolve', (meaning) => api.attend(id, act, note, meaning));
}

/** The dialog, while something waits for it. */
export function Sign() {
  const value = wish.use();
  const who = session.use();
  if (!value || !who) return null;
  return html`<${Ask} key=${value} it=${value} name=${who.who.person?.name ?? ''} />`;
}

/** @param {{ it: Wish, name: string }} props */
function Ask({ it, name }) {
  const text = t().signing;
  const [meaning, setMeaning] = useState(text.meanings[it.act]);
  const [busy, setBusy] = useState(false);
  const [stale, setStale] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      if (stale) await again();
      else await it.run(meaning.replace(/\s+/g, ' ').trim());
    } catch (error) {
      if (kindOf(error) === 'signature') setStale(true);
      else sayWhy(error);
    }
    setBusy(false);
  };
  /** @param {Event & { currentTarget: HTMLTextAreaElement }} event */
  const typed = (event) => setMeaning(event.currentTarget.value);
  return html`<${Dialog} title=${text.title} onClose=${it.cancel}>
    <form class="sign" onSubmit=${submit}>
      <p>${text.as(name)}</p>
      <label class="field"
        >${text.meaning}
        <textarea rows="3" required maxlength=${LONGEST} readonly=${stale} value=${meaning} onInput=${typed}
          aria-describedby="meaning-help"></textarea>
        <small id="meaning-help">${text.help}</small>
      </label>
      ${stale && html`<p class="fault" role="alert">${text.stale}</p>`}
      <div class="buttons">
        <button class="primary" disabled=${busy || !meaning.trim()}>
          ${busy ? t().act.working : stale ? text.goOn : text.sign}
        </button>
        <button type="button" onClick=${it.cancel}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}

/** Goes to the provider of the session, which asks for the password again, and leads back here. */
async function again() {
  const now = session.value;
  const issuer = now?.who.person?.issuer;
  const provider = (await identityProviders()).find((provider) => provider.issuer === issuer);
  if (!now || !provider?.authorizationEndpoint) return say(t().why.away, true);
  await leave(provider, { remember: now.remember, grant: now.who.grant, fresh: true });
}

/** @param {{ it: { meaning?: string } }} props What was declared, where it was signed. */
export function Meaning({ it }) {
  return it.meaning ? html`<p class="note meaning">${t().signing.declared(it.meaning)}</p>` : null;
}
