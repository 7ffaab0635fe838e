/**
 * Erasing everything of a subject: confirmed by the end of the pseudonym and a reason, done in portions, and ended by a
 * certificate. Whoever breaks it off, or loses the connection, can go on.
 */

import { eraseSubject } from '../api-access.js';
import { exact, number } from '../formats.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { actor, Dialog } from './act.js';
import { download } from './download.js';
import { whyOf } from './pages.js';
import { sign } from './sign.js';

/**
 * @typedef {import('../api-access.js').Certificate} Certified
 * @typedef {Event & { currentTarget: HTMLInputElement }} Typed
 */

/** The characters to type, and the pause between two portions, milliseconds. */
const TYPED = 4;
const PAUSE = 300;

/** @param {{ subject: string, done: (certificate: Certified) => void }} props For the roles that may erase alone. */
export function EraseSubject({ subject, done }) {
  const [asking, setAsking] = useState(false);
  if (!session.use()?.may.erase) return null;
  return html`<p><button type="button" onClick=${() => setAsking(true)}>${t().erasing.act}</button></p>
    ${asking && html`<${Ask} subject=${subject} done=${done} onClose=${() => setAsking(false)} />`}`;
}

/** @param {{ subject: string, done: (certificate: Certified) => void, onClose: () => void }} props */
function Ask({ subject, done, onClose }) {
  const text = t().erasing;
  const end = subject.slice(-TYPED);
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [begun, setBegun] = useState(false);
  const [wrong, setWrong] = useState('');
  /** What was left at first, and what is left now. */
  const [left, setLeft] = useState(/** @type {{ most: number, now: number } | null} */ (null));
  const there = useRef(true);
  useEffect(
    () => () => {
      there.current = false;
    },
    [],
  );
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setBegun(true);
    setWrong('');
    try {
      // The whole is signed once.
      /** @type {() => ReturnType<typeof eraseSubject>} */
      let erase = () =>
        sign('eraseSubject', (meaning) => {
          erase = () => eraseSubject(subject, reason.trim(), meaning);
          return erase();
        });
      while (there.current) {
        const answer = await erase();
        if (answer.state === 'erased') return done(answer);
        setLeft((before) => ({ most: Math.max(before?.most ?? 0, answer.left), now: answer.left }));
        await new Promise((later) => setTimeout(later, PAUSE));
      }
    } catch (error) {
      setWrong(whyOf(error));
    }
    setBusy(false);
  };
  const finished = left ? left.most - left.now : 0;
  return html`<${Dialog} title=${text.title} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${text.help}</p>
      <p><code>${subject}</code></p>
      <label class="field"
        >${text.type(end)}
        <input required value=${typed} readonly=${begun} maxlength="8" autocomplete="off" spellcheck=${false}
          onInput=${(/** @type {Typed} */ event) => setTyped(event.currentTarget.value.trim())} />
      </label>
      <label class="field"
        >${t().deliveries.ask}
        <input required maxlength="500" value=${reason} readonly=${begun} autocomplete="off"
          onInput=${(/** @type {Typed} */ event) => setReason(event.currentTarget.value)} />
      </label>
      ${
        begun &&
        html`<div role="status">
          <p>${left ? text.running(number(left.now)) : text.begun}</p>
          <progress aria-label=${text.begun} max=${left?.most ?? 1} value=${finished}></progress>
        </div>`
      }
      ${wrong && html`<p class="fault" role="alert">${wrong} ${text.stopped}</p>`}
      <div class="buttons">
        <button class="primary" disabled=${busy || typed.toLowerCase() !== end.toLowerCase()}>
          ${busy ? t().act.working : begun ? text.goOn : text.run}
        </button>
        <button type="button" onClick=${onClose}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}

/** @param {{ it: Certified }} props */
export function Certificate({ it }) {
  const text = t().erasing;
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => title.current?.focus(), []);
  const save = () =>
    download(
      `${it.study}-${it.pseudonym.slice(0, 8)}-erased.json`,
      'application/json',
      `${JSON.stringify(it, null, 2)}\n`,
    );
  return html`<section class="panel certificate">
    <h2 tabindex="-1" ref=${title}>${text.done}</h2>
    <dl class="facts" aria-label=${text.certificate}>
      <div><dt>${t().paper.pseudonym}</dt><dd><code>${it.pseudonym}</code></dd></div>
      <div><dt>${t().alert.study}</dt><dd>${it.study}</dd></div>
      <div><dt>${t().alert.site}</dt><dd>${it.site}</dd></div>
      <div><dt>${text.at}</dt><dd>${exact(it.erasedAt)}</dd></div>
      <div><dt>${text.by}</dt><dd>${actor(it.erasedBy, it.byName)}</dd></div>
      <div><dt>${text.submissions}</dt><dd>${number(it.submissions)}</dd></div>
      <div><dt>${text.analyses}</dt><dd>${number(it.analyses)}</dd></div>
      <div><dt>${text.identity}</dt><dd>${it.identity ? text.identities.true : text.identities.false}</dd></div>
      ${it.reason && html`<div><dt>${text.reason}</dt><dd>${it.reason}</dd></div>`}
      ${it.disk && html`<div><dt>${text.disk}</dt><dd>${text.disks[it.disk] ?? it.disk}</dd></div>`}
    </dl>
    <p><button type="button" onClick=${save}>${text.save}</button></p>
  </section>`;
}
