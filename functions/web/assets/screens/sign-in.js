/** Signing in with an API key. */

import { Refusal, whoami } from '../api.js';
import { kindOf } from '../parts/pages.js';
import { begin, ended } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useRef, useState } from '../ui.js';

export function SignIn() {
  const text = t().signIn;
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [remember, setRemember] = useState(false);
  const [working, setWorking] = useState(false);
  const [wrong, setWrong] = useState(ended.value ? text.ended : '');
  useEffect(() => field.current?.focus(), []);

  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const key = field.current?.value.trim() ?? '';
    const fault = key ? await attempt(key, remember, setWorking) : text.empty;
    setWrong(fault);
    if (fault) field.current?.focus();
  };
  return html`<form class="sign-in" onSubmit=${submit}>
    <h1 tabindex="-1">${text.title}</h1>
    <label class="field"
      >${text.key}
      <input
        ref=${field}
        type="password"
        autocomplete="off"
        spellcheck=${false}
        aria-invalid=${wrong !== ''}
        aria-describedby="key-wrong key-help"
      />
    </label>
    <p id="key-wrong" class="fault" role="alert">${wrong}</p>
    <p id="key-help" class="quiet">${text.help}</p>
    <label class="tick">
      <input
        type="checkbox"
        checked=${remember}
        onChange=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => setRemember(event.currentTarget.checked)}
        aria-describedby="remember-help"
      />
      ${text.remember}
    </label>
    <p id="remember-help" class="quiet">${text.rememberHelp}</p>
    <button class="primary" disabled=${working}>${working ? text.working : text.submit}</button>
  </form>`;
}

/**
 * Asks whose the key is, and signs in. Returns what is wrong, else an empty text.
 * @param {string} key
 * @param {boolean} remember
 * @param {(working: boolean) => void} setWorking
 */
async function attempt(key, remember, setWorking) {
  setWorking(true);
  try {
    begin(key, await whoami(key), remember);
    return '';
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'unauthenticated') return t().signIn.refused;
    const kind = kindOf(error);
    return `${t().state_of[kind]}. ${t().state_of[`${kind}Help`]}`;
  } finally {
    setWorking(false);
  }
}
