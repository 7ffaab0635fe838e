/**
 * Erasing everything of a study: asked for by its name, confirmed by its name once more and a reason, carried on by Vigil, and
 * watched here until the certificate is there.
 */

import { eraseStudy, studyErasure } from '../api-access.js';
import { exact, number } from '../formats.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useState } from '../ui.js';
import { actor, sayWhy } from './act.js';
import { ReasonDialog } from './ask.js';
import { download } from './download.js';
import { kindOf, whyOf } from './pages.js';
import { sign } from './sign.js';

/**
 * @typedef {import('../api-access.js').StudyErasure} StudyErasure
 * @typedef {Event & { currentTarget: HTMLInputElement }} Typed
 */

/** The pause between two looks, milliseconds. */
const PERIOD = 2000;

/** For the roles that may erase alone. */
export function EraseStudy() {
  const text = t().erasingStudy;
  const [typed, setTyped] = useState('');
  const [study, setStudy] = useState('');
  /** What is known of the study's erasure; null: there never was one. */
  const [known, setKnown] = useState(/** @type {StudyErasure | null | undefined} */ (undefined));
  const [wrong, setWrong] = useState('');
  const [asking, setAsking] = useState(false);
  const look = async (/** @type {string} */ name) => {
    try {
      setKnown(await studyErasure(name));
      setWrong('');
    } catch (error) {
      setKnown(kindOf(error) === 'missing' ? null : undefined);
      setWrong(kindOf(error) === 'missing' ? '' : whyOf(error));
    }
  };
  const running = known?.state === 'erasing';
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => {
      if (!document.hidden) look(study);
    }, PERIOD);
    return () => clearInterval(timer);
  }, [running, study]);
  if (!session.use()?.may.erase) return null;
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    setStudy(typed.trim());
    setKnown(undefined);
    look(typed.trim());
  };
  /** @param {string} reason */
  const begin = async (reason) => {
    setAsking(false);
    try {
      await sign('eraseStudy', (meaning) => eraseStudy(study, reason, meaning));
    } catch (error) {
      sayWhy(error);
    }
    await look(study);
  };
  return html`<section class="panel stack" aria-labelledby="erase-study">
    <h2 id="erase-study">${text.title}</h2>
    <p class="quiet">${text.help}</p>
    <form onSubmit=${submit}>
      <label class="field"
        >${t().alert.study}
        <input required maxlength="64" value=${typed} autocomplete="off" spellcheck=${false}
          onInput=${(/** @type {Typed} */ event) => setTyped(event.currentTarget.value)} />
      </label>
      <div class="buttons"><button>${text.look}</button></div>
    </form>
    ${wrong && html`<p class="fault" role="alert">${wrong}</p>`}
    ${known === null && html`<p>${text.none(study)}</p>`}
    ${known && html`<${Progress} it=${known} />`}
    ${
      known !== undefined &&
      !running &&
      html`<p><button type="button" onClick=${() => setAsking(true)}>${text.act(study)}</button></p>`
    }
    ${asking && html`<${Ask} study=${study} run=${begin} onClose=${() => setAsking(false)} />`}
  </section>`;
}

/** @param {{ study: string, run: (reason: string) => void, onClose: () => void }} props */
function Ask({ study, run, onClose }) {
  const text = t().erasingStudy;
  const [typed, setTyped] = useState('');
  return html`<${ReasonDialog} title=${text.act(study)} about=${text.about} act=${text.run} onClose=${onClose}
    run=${(/** @type {string} */ reason) => (typed.trim() === study ? run(reason) : onClose())}>
    <label class="field"
      >${text.type(study)}
      <input required pattern=${study.replace(/[.+]/g, '\\$&')} value=${typed} autocomplete="off" spellcheck=${false}
        onInput=${(/** @type {Typed} */ event) => setTyped(event.currentTarget.value)} />
    </label>
  <//>`;
}

/** @param {{ it: StudyErasure }} props How far it is, or the certificate. */
function Progress({ it }) {
  const text = t().erasingStudy;
  const facts = t().erasing;
  const left = it.left ?? 0;
  const save = () => download(`${it.study}-erased.json`, 'application/json', `${JSON.stringify(it, null, 2)}\n`);
  return html`<div role="status">
      <p>${it.state === 'erased' ? text.done(it.study) : text.running(number(left))}</p>
      ${
        it.state === 'erasing' &&
        html`<progress aria-label=${facts.begun} max=${Math.max(it.subjects + left, 1)} value=${it.subjects}></progress>`
      }
      ${it.held && html`<p class="fault">${text.held}</p>`}
    </div>
    <dl class="facts" aria-label=${facts.certificate}>
      <div><dt>${text.began}</dt><dd>${exact(it.beganAt)}</dd></div>
      ${it.erasedAt && html`<div><dt>${facts.at}</dt><dd>${exact(it.erasedAt)}</dd></div>`}
      <div><dt>${facts.by}</dt><dd>${actor(it.beganBy, it.beganByName)}</dd></div>
      <div><dt>${text.subjects}</dt><dd>${number(it.subjects)}</dd></div>
      <div><dt>${facts.submissions}</dt><dd>${number(it.submissions)}</dd></div>
      <div><dt>${facts.analyses}</dt><dd>${number(it.analyses)}</dd></div>
      <div><dt>${facts.reason}</dt><dd>${it.reason}</dd></div>
      ${it.disk && html`<div><dt>${facts.disk}</dt><dd>${facts.disks[it.disk] ?? it.disk}</dd></div>`}
    </dl>
    ${it.state === 'erased' && html`<p><button type="button" onClick=${save}>${facts.save}</button></p>`}`;
}
