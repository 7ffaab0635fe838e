/** Signing in: by an identity provider, or with an API key. Says why nobody is signed in any longer. */

import { Refusal, whoami } from '../api.js';
import { identityProviders } from '../api-access.js';
import { kindOf } from '../parts/pages.js';
import { leave } from '../provider.js';
import { begin, ended } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useRef, useState } from '../ui.js';

/** @typedef {import('../api-access.js').Provider} Provider */

export function SignIn() {
  const text = t().signIn;
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [remember, setRemember] = useState(false);
  const [working, setWorking] = useState(false);
  const [wrong, setWrong] = useState('');
  const why = ended.use();
  // A key is good even while the providers cannot be read.
  const { data: providers, error, again } = useLoaded(identityProviders, []);
  const any = (providers?.length ?? 0) > 0;
  useEffect(() => {
    if ((providers || error) && !any) field.current?.focus();
  }, [providers, error]);

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
    ${why && html`<${Because} why=${why.why} detail=${why.detail} />`}
    ${error && html`<p class="quiet">${t().persons.unlisted}</p>`}
    ${any && html`<${Providers} providers=${providers ?? []} remember=${remember} again=${again} />`}
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
    <button class=${any ? '' : 'primary'} disabled=${working}>${working ? text.working : text.submit}</button>
  </form>`;
}

/** @param {{ why: import('../session.js').Why, detail?: string }} props Why nobody is signed in. */
function Because({ why, detail }) {
  return html`<div id="why" class="fault" role="status">
    <p>${t().why[why]}</p>
    ${detail && html`<p class="quiet" lang="en">${detail}</p>`}
  </div>`;
}

/** @param {{ providers: Provider[], remember: boolean, again: () => void }} props */
function Providers({ providers, remember, again }) {
  const text = t().persons;
  const first = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const [going, setGoing] = useState('');
  useEffect(() => {
    // The focus stays with a person who types already.
    if (document.activeElement === document.body) first.current?.focus();
  }, []);
  /** @param {Provider} provider */
  const go = (provider) => {
    setGoing(provider.issuer);
    leave(provider, { remember }).finally(() => ended.value && setGoing(''));
  };
  const here = providers.filter(({ available }) => available !== false);
  const away = providers.filter(({ available }) => available === false);
  return html`<ul class="providers">
      ${here.map(
        (provider, n) => html`<li key=${provider.issuer}>
          <button ref=${n === 0 ? first : null} type="button" class="primary" disabled=${going !== ''} onClick=${() => go(provider)}>
            ${going === provider.issuer ? t().act.working : text.goOn(provider.label)}
          </button>
        </li>`,
      )}
      ${away.map(
        ({ issuer, label }) => html`<li key=${issuer} class="away">
          <span>${text.away(label)}</span>
          <button type="button" class="plain" onClick=${again}>${t().state_of.again}</button>
        </li>`,
      )}
    </ul>
    <p class="or"><span>${text.or}</span></p>`;
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
    begin(key, await whoami(key), { remember });
    return '';
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'unauthenticated') return t().signIn.refused;
    const kind = kindOf(error);
    return `${t().state_of[kind]}. ${t().state_of[`${kind}Help`]}`;
  } finally {
    setWorking(false);
  }
}
