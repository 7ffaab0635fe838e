/**
 * The correction of a submission: its content as JSON, which is sent as a new submission that takes the place of the one that
 * was seen. Vigil checks it first, and a person sees the difference before it is sent. The patient's id is typed, because only the
 * site knows it, and is forgotten with the form.
 */

import { Refusal } from '../api.js';
import { amend, settled } from '../api-care.js';
import { checkRows } from '../api-setup.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useRef, useState } from '../ui.js';
import { Dialog, say, sayWhy } from './act.js';
import { Difference, Editor } from './editor.js';
import { Fault } from './finding.js';
import { kindOf } from './pages.js';
import { readPlaces } from './places.js';

/**
 * @typedef {import('../api.js').Submission} Submission
 * @typedef {import('../api.js').Finding} Finding
 */

/** A word of a study's own list, as the API takes it. */
const WORD = '[A-Za-z0-9._\\-]{1,64}';
/** The places of what is not in the text: the fields below it. */
const PATIENT = ['/patientId', '/amends/submissionId'];
const REASON = ['/amends/reason'];

/** @param {{ submission: Submission, changed: () => void }} props Only for who may send, and only of the latest version. */
export function Amend({ submission, changed }) {
  const [open, setOpen] = useState(false);
  const { kind, instrument, content, supersededBy } = submission;
  const text = t().amend;
  if (supersededBy) return html`<p class="quiet">${text.superseded}</p>`;
  if (!session.use()?.may.submit || !content || (kind === 'response' && !instrument)) return null;
  const done = () => {
    setOpen(false);
    changed();
  };
  return html`<p>
      <button type="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${text.open}</button>
    </p>
    ${open && html`<${Correction} submission=${submission} done=${done} />`}`;
}

/** @param {Submission} submission What can be corrected in it. */
function textOf({ kind, authoredAt, content, instrument }) {
  const rest = instrument?.parameters ? { parameters: instrument.parameters } : {};
  const inner = kind === 'response' ? { answers: content, ...rest } : { data: content };
  return `${JSON.stringify({ authoredAt, ...inner }, null, 2)}\n`;
}

/**
 * The text with what tells where it belongs.
 * @param {Submission} submission
 * @param {Record<string, unknown>} written
 * @param {string} patientId
 * @returns {Record<string, unknown>}
 */
function documentOf({ kind, studyId, siteId, instrument }, written, patientId) {
  const inner = kind === 'response' ? { instrumentVersion: instrument?.version } : { kind };
  return { ...written, studyId, siteId, patientId, ...inner };
}

/** @param {{ submission: Submission, done: () => void }} props */
function Correction({ submission, done }) {
  const text = t().amend;
  const { submissionId, kind, instrument, siteId } = submission;
  const name = kind === 'response' ? instrument?.id : undefined;
  const before = textOf(submission);
  const [draft, setDraft] = useState(before);
  const [patient, setPatient] = useState('');
  const [reason, setReason] = useState('');
  const [findings, setFindings] = useState(/** @type {Finding[]} */ ([]));
  const [working, setWorking] = useState(false);
  const [asking, setAsking] = useState(false);
  const sound = readPlaces(draft).wrong === null;
  const changed = draft.trim() !== before.trim();
  // A text that is sent again after a lost connection is the same submission; another text is another one.
  const last = useRef({ said: '', id: '' });

  /** @param {string[]} places */
  const at = (places) => findings.filter(({ pointer }) => places.includes(pointer));
  const inText = findings.filter(({ pointer }) => !PATIENT.includes(pointer) && !REASON.includes(pointer));

  /** Runs a request; what is wrong is shown at its place. @param {() => Promise<void>} request */
  const ask = async (request) => {
    setWorking(true);
    try {
      await request();
    } catch (error) {
      if (error instanceof Refusal && error.findings.length) refused(error.findings);
      else if (kindOf(error) === 'conflict') say(text.overtaken, true);
      else sayWhy(error);
    }
    setWorking(false);
  };
  /** @param {Finding[]} found */
  const refused = (found) => {
    setFindings(found);
    say(text.refused(found.length), true);
  };
  /** @returns {Record<string, unknown> | null} */
  const written = () => {
    const value = JSON.parse(draft);
    return value && typeof value === 'object' && !Array.isArray(value) ? value : null;
  };
  /** @param {Event} event */
  const check = (event) => {
    event.preventDefault();
    ask(async () => {
      const value = written();
      if (!value) return refused([{ pointer: '', code: 'type', detail: 'must be a JSON object' }]);
      const row = { ...documentOf(submission, value, patient.trim()), instrument: name };
      const [checked] = await checkRows([JSON.stringify(row)]);
      if (checked && !checked.valid) return refused(checked.errors);
      setFindings([]);
      setAsking(true);
    });
  };
  const send = () => {
    setAsking(false);
    return ask(async () => {
      const amends = { submissionId, reason };
      const document = { ...documentOf(submission, written() ?? {}, patient.trim()), amends };
      const said = JSON.stringify(document);
      if (last.current.said !== said) last.current = { said, id: unique() };
      const { id } = last.current;
      const own = name ? { responseId: id } : { reportId: id };
      const sent = await amend(name, { ...document, ...own });
      say(text.waits);
      const now = await settled(sent.submissionId);
      if (now) say(now.state === 'failed' ? text.failed : text.done, now.state === 'failed');
      done();
    });
  };
  /** @param {(value: string) => void} set */
  const typed = (set) => (/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => {
    set(event.currentTarget.value);
    setFindings([]);
  };
  return html`<section class="amend stack" aria-label=${text.title}>
    <p>${text.help}</p>
    <${Editor} id=${`findings-${submissionId}`} label=${text.field} text=${draft} findings=${inText} onInput=${(
      /** @type {string} */ next,
    ) => {
      setDraft(next);
      setFindings([]);
    }} />
    <form class="stack" onSubmit=${check}>
      <${Field} id=${`patient-${submissionId}`} label=${text.patient} help=${text.patientHelp(siteId)} value=${patient} longest="128" onInput=${typed(setPatient)}
        faults=${at(PATIENT)} other=${text.other} />
      <${Field} id=${`reason-${submissionId}`} label=${text.reason} help=${text.reasonHelp} value=${reason} longest="64" pattern=${WORD} onInput=${typed(setReason)}
        faults=${at(REASON)} />
      <div class="buttons">
        <button class="primary" disabled=${working || !sound || !changed}>${working ? t().act.working : text.check}</button>
        ${!changed && html`<span class="quiet">${text.same}</span>`}
      </div>
    </form>
    ${
      asking &&
      html`<${Dialog} title=${text.confirm} onClose=${() => setAsking(false)}>
        <p>${text.will}</p>
        <${Difference} before=${before} after=${draft} />
        <div class="buttons">
          <button type="button" class="primary" onClick=${send}>${text.send}</button>
          <button type="button" onClick=${() => setAsking(false)}>${t().act.cancel}</button>
        </div>
      <//>`
    }
  </section>`;
}

/**
 * A field with its help, and with its faults.
 * @param {{ id: string, label: string, help: string, value: string, longest: string, pattern?: string, faults: Finding[],
 *   other?: string, onInput: (event: Event & { currentTarget: HTMLInputElement }) => void }} props `other`: said in place of what the API says
 *   of the submission, which the person did not type.
 */
function Field({ id, label, help, value, longest, pattern, faults, other, onInput }) {
  return html`<label class="field"
    >${label}
    <input
      required
      maxlength=${longest}
      pattern=${pattern}
      value=${value}
      autocomplete="off"
      autocapitalize="off"
      spellcheck=${false}
      aria-invalid=${faults.length > 0}
      aria-describedby=${id}
      onInput=${onInput}
    />
    <small id=${id}>
      ${help}
      ${faults.map(
        ({ pointer, code, detail }) =>
          html`<strong class="amend-fault">${other && pointer !== '/patientId' ? other : html`<${Fault} code=${code} detail=${detail} />`}</strong>`,
      )}
    </small>
  </label>`;
}

/** An id that nobody else gives. */
function unique() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
