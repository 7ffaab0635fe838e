/**
 * Batch: a file of reports or responses. Every row's findings first, then sending with the outcome of every row. The file is
 * in the tab's memory alone, and goes with the screen.
 */

import { checkRows, sendRows } from '../api-setup.js';
import { number } from '../formats.js';
import { Dialog } from '../parts/act.js';
import { Pages } from '../parts/batch-table.js';
import { download as save } from '../parts/download.js';
import { Failure, Notice, Stale } from '../parts/pages.js';
import { asCsv, decoded, portions, readRows } from '../parts/rows.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useRef, useState } from '../ui.js';

/**
 * @typedef {import('../parts/rows.js').Row} Row
 * @typedef {import('../parts/rows.js').File & { name: string }} Chosen
 * @typedef {'chosen' | 'checking' | 'checked' | 'sending' | 'sent'} Step
 */

/** The largest file, bytes, and the most rows. */
const LARGEST = 64 * 1024 * 1024;
const MOST = 100_000;

export function BatchScreen() {
  const text = t().batch;
  const [file, setFile] = useState(/** @type {Chosen | null} */ (null));
  const [wrong, setWrong] = useState('');
  if (!session.value?.may.submit) {
    return html`<h1 tabindex="-1">${text.title}</h1>
      <${Notice} title=${t().state_of.forbidden} help=${text.forbidden} />`;
  }
  /** @param {File | undefined} chosen */
  const take = async (chosen) => {
    if (!chosen) return;
    setFile(null);
    setWrong('');
    if (chosen.size > LARGEST) return setWrong(text.tooLarge);
    const read = decoded(await chosen.arrayBuffer());
    if (!read) return setWrong(text.noText);
    const rows = readRows(read.text, read.encoding);
    if (!rows) return setWrong(text.noRows);
    if (rows.rows.length > MOST) return setWrong(text.tooMany(number(MOST)));
    setFile({ ...rows, name: chosen.name });
  };
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${text.title}</h1></div>
    ${!file && html`<${Choose} wrong=${wrong} onTake=${take} />`}
    ${file && html`<${Work} key=${file.name} file=${file} onLeave=${() => setFile(null)} />`}
  </article>`;
}

/** @param {{ wrong: string, onTake: (file: File | undefined) => void }} props */
function Choose({ wrong, onTake }) {
  const text = t().batch;
  const [over, setOver] = useState(false);
  /** @param {DragEvent} event */
  const drag = (event) => {
    event.preventDefault();
    setOver(event.type === 'dragover');
    if (event.type === 'drop') onTake(event.dataTransfer?.files[0]);
  };
  return html`<section class="drop ${over ? 'over' : ''}" onDragOver=${drag} onDragLeave=${drag} onDrop=${drag}>
      <label class="field"
        >${text.choose}
        <input
          type="file"
          accept=".csv,.tsv,.txt,.json,.ndjson,.jsonl"
          aria-describedby="batch-help"
          onChange=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => onTake(event.currentTarget.files?.[0])}
        />
      </label>
      <p id="batch-help" class="quiet">${text.help}</p>
      <p class="fault" role="alert">${wrong}</p>
    </section>
    <details class="panel">
      <summary>${text.format}</summary>
      <ul class="plain-list">${text.formats.map((line) => html`<li>${line}</li>`)}</ul>
      <pre class="sample" tabindex="0" role="region" aria-label=${text.example}>${EXAMPLE}</pre>
    </details>`;
}

const EXAMPLE = `reportId,studyId,siteId,patientId,kind,authoredAt,term,onset,grade,serious,seriousnessCriteria,relatedness,outcome,actionTaken
ae-1,DEMO,S1,P-001,adverse-event,2026-03-01T09:00:00+08:00,Nausea,2026-02-28,2,false,,possible,recovered,none
ae-2,DEMO,S1,P-002,adverse-event,2026-03-01T09:30:00+08:00,Sepsis,2026-02-27,4,true,hospitalisation;life-threatening,probable,recovering,dose-interrupted`;

/** @param {Row} row */
const isGood = ({ findings }) => findings?.length === 0;
/** @param {Row} row Whether Vigil has it. */
const isThere = ({ outcome }) => outcome === 'accepted' || outcome === 'duplicate';
/** @param {Row} row Whether a person has to mend it. */
const isFaulty = ({ findings, outcome }) => (findings?.length ?? 0) > 0 || outcome === 'conflict';

/**
 * Going through rows in portions, and how far it is.
 * @typedef {{ step: Step, total: number, done: number, error: unknown, ended: string, stop: () => void, check: () => void,
 *   send: (some: Row[]) => void }} Run
 */

/** @param {Row[]} rows @returns {Run} */
function useRun(rows) {
  const [state, setState] = useState({ step: /** @type {Step} */ ('chosen'), total: 0, done: 0, ended: '' });
  const [error, setError] = useState(/** @type {unknown} */ (undefined));
  const stopped = useRef(false);
  const stop = () => {
    stopped.current = true;
  };
  useEffect(() => stop, []);
  /**
   * Until all are done, somebody stops it, or it cannot go on.
   * @param {Step} during
   * @param {Step} after
   * @param {Row[]} some
   * @param {(portion: Row[]) => Promise<string>} handle Why it cannot go on; else an empty text.
   */
  const run = async (during, after, some, handle) => {
    let [done, ended] = [0, ''];
    const show = (/** @type {Step} */ step) => setState({ step, total: some.length, done, ended });
    stopped.current = false;
    setError(undefined);
    show(during);
    try {
      for (const portion of portions(some)) {
        if (stopped.current || ended) break;
        ended = await handle(portion);
        done += portion.length;
        show(during);
      }
    } catch (failed) {
      setError(failed);
    }
    show(after);
  };
  const check = () => {
    const unchecked = rows.filter((row) => row.findings === null);
    run('checking', 'checked', unchecked, async (portion) => {
      const answer = await checkRows(portion.map(({ raw }) => raw));
      for (const { index, errors, moreErrors = 0 } of answer) {
        const row = portion[index];
        if (row) Object.assign(row, { findings: errors, more: moreErrors });
      }
      return '';
    });
  };
  const send = (/** @type {Row[]} */ some) => {
    run('sending', 'sent', some, async (portion) => {
      const answer = await sendRows(portion.map(({ raw }) => raw));
      for (const { index, status, errors, moreErrors = 0 } of answer.rows) {
        const row = portion[index];
        if (row) Object.assign(row, { outcome: status }, errors && { findings: errors, more: moreErrors });
      }
      return answer.ended === 'complete' ? '' : answer.ended;
    });
  };
  return { ...state, error, stop, check, send };
}

/** @param {{ file: Chosen, onLeave: () => void }} props */
function Work({ file, onLeave }) {
  const text = t().batch;
  const { rows } = file;
  const run = useRun(rows);
  const { step, error, ended } = run;
  const [asking, setAsking] = useState(false);
  const busy = step === 'checking' || step === 'sending';
  useEffect(() => {
    /** @param {BeforeUnloadEvent} event */
    const stay = (event) => event.preventDefault();
    if (busy) addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [busy]);
  const isChecked = rows.every((row) => row.findings !== null);
  const good = rows.filter(isGood);
  const waiting = good.filter((row) => !isThere(row) && row.outcome !== 'conflict');
  const faulty = rows.filter(isFaulty);
  const ask = () => setAsking(true);
  const send = () => {
    setAsking(false);
    // Sending again is safe: what is there already is a duplicate.
    run.send(waiting.length ? waiting : good);
  };
  return html`<section class="panel">
      <div class="panel-head">
        <p><strong>${file.name}</strong> <span class="quiet">${text.read(number(rows.length), text.kinds[file.kind], file.encoding)}</span></p>
        <button type="button" disabled=${busy} onClick=${onLeave}>${text.other}</button>
      </div>
      <p role="status">${verdict(step, isChecked, countsOf(rows), rows.length)}</p>
      ${busy && html`<${Progress} run=${run} />`}
      ${error && step === 'checked' && !isChecked && html`<${Failure} error=${error} again=${run.check} />`}
      ${error && step === 'sent' && html`<${Stale} error=${error} again=${send} />`}
      ${ended && html`<p class="fault" role="alert">${text.ended[ended] ?? text.endedOther}</p>`}
      ${
        !busy &&
        html`<div class="buttons">
          ${!isChecked && html`<button type="button" class="primary" onClick=${run.check}>${text.check}</button>`}
          ${isChecked && waiting.length > 0 && html`<button type="button" class="primary" onClick=${ask}>${text.send(number(waiting.length))}</button>`}
          ${isChecked && !waiting.length && good.length > 0 && html`<button type="button" onClick=${ask}>${text.again}</button>`}
          ${faulty.length > 0 && html`<button type="button" onClick=${() => download(file, faulty)}>${text.download(number(faulty.length))}</button>`}
        </div>`
      }
      ${!isChecked && !busy && html`<p class="quiet">${text.checkHelp}</p>`}
    </section>
    <${Pages} rows=${rows} faulty=${faulty} step=${step} />
    ${asking && html`<${Ask} waiting=${waiting.length} faulty=${faulty.length} onSend=${send} onClose=${() => setAsking(false)} />`}`;
}

/** @param {{ run: Run }} props */
function Progress({ run: { step, total, done, stop } }) {
  const text = t().batch;
  const what = step === 'checking' ? text.checking : text.sending;
  return html`<div class="progress">
    <progress max=${total} value=${done} aria-label=${what}></progress>
    <span>${text.progress(what, number(done), number(total))}</span>
    <button type="button" onClick=${stop}>${text.stop}</button>
  </div>`;
}

/** @param {{ waiting: number, faulty: number, onSend: () => void, onClose: () => void }} props */
function Ask({ waiting, faulty, onSend, onClose }) {
  const text = t().batch;
  return html`<${Dialog} title=${waiting ? text.send(number(waiting)) : text.again} onClose=${onClose}>
    <p>${waiting ? text.sendHelp(number(waiting), number(faulty), faulty > 0) : text.againHelp}</p>
    <div class="buttons">
      <button type="button" class="primary" onClick=${onSend}>${text.sendNow}</button>
      <button type="button" onClick=${onClose}>${t().act.cancel}</button>
    </div>
  <//>`;
}

/** @param {Row[]} rows @returns {Record<string, number>} */
function countsOf(rows) {
  /** @type {Record<string, number>} */
  const counts = { good: 0, faulty: 0 };
  for (const row of rows) {
    const name = row.outcome ?? (row.findings === null ? 'unchecked' : isGood(row) ? 'good' : 'faulty');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/**
 * What is known of the rows, in a sentence.
 * @param {Step} step
 * @param {boolean} isChecked
 * @param {Record<string, number>} counts
 * @param {number} all
 */
function verdict(step, isChecked, counts, all) {
  const text = t().batch;
  if (step === 'sending' || step === 'sent') {
    const names = /** @type {const} */ (['accepted', 'duplicate', 'conflict', 'rejected', 'not-processed', 'faulty']);
    // What a batch that was cut short did not come to is not sent yet, either.
    /** @type {Record<string, number>} */
    const known = { ...counts, 'not-processed': (counts['not-processed'] ?? 0) + (counts.good ?? 0) };
    const some = names.filter((name) => known[name]);
    return some.map((name) => text.counts[name](number(known[name] ?? 0))).join(' · ');
  }
  if (!isChecked) return step === 'chosen' ? text.unchecked : '';
  return counts.faulty ? text.someFaults(number(counts.good ?? 0), number(counts.faulty)) : text.noFaults(number(all));
}

/** @param {Chosen} file @param {Row[]} rows Gives the person the rows to mend, with what is wrong. */
function download(file, rows) {
  const text = t().batch;
  const told = rows.map((row) => ({
    row,
    faults: row.outcome === 'conflict' ? text.outcome.conflict : faultsOf(row),
  }));
  save(`${file.name.replace(/\.\w+$/, '')}-faults.csv`, 'text/csv', asCsv(file.header, told));
}

/** @param {Row} row */
function faultsOf({ findings }) {
  const told = findings?.map(({ pointer, detail, code }) => `${pointer} ${detail || code}`.trim());
  return told?.join('; ') ?? '';
}
