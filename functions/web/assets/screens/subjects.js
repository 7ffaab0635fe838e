/** One subject: the course of a score, and everything the subject sent with its answers. */

import { course, submission as readSubmission, submissionsOf } from '../api.js';
import { erase, table } from '../api-care.js';
import { day, When } from '../formats.js';
import { say, sayWhy } from '../parts/act.js';
import { Amend } from '../parts/amend.js';
import { bandOf, Content, figureOf, Scores, titleOf } from '../parts/answers.js';
import { ReasonDialog } from '../parts/ask.js';
import { Course } from '../parts/course.js';
import { download } from '../parts/download.js';
import { Certificate, EraseSubject } from '../parts/erase-subject.js';
import { Everything } from '../parts/everything.js';
import { WhoIsIt } from '../parts/identity.js';
import { SubjectLooks } from '../parts/looks.js';
import { Shape } from '../parts/marks.js';
import { Failure, kindOf, Loading, Notice } from '../parts/pages.js';
import { useCodebook } from '../parts/reason.js';
import { sign } from '../parts/sign.js';
import { address, filter, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useLoaded, useState } from '../ui.js';

/** @typedef {import('../api.js').ListedSubmission} ListedSubmission */

export function SubjectScreen() {
  const { id } = place.use();
  const [cursors, setCursors] = useState([/** @type {string | undefined} */ (undefined)]);
  const load = async () => Promise.all(cursors.map((cursor) => submissionsOf(id, cursor)));
  const { data: pages, error, again } = useLoaded(load, [id, cursors]);
  const submissions = pages?.flatMap((page) => page.submissions) ?? [];
  const last = pages?.at(-1);
  const [certificate, setCertificate] = useState(/** @type {import('../api-access.js').Certificate | null} */ (null));
  const erased =
    certificate !== null || last?.state === 'erased' || (error !== undefined && kindOf(error) === 'erased');
  if (erased) return html`<${Erased} subject=${id} certificate=${certificate} />`;
  return html`<article class="subject">
    <div class="screen-head">
      <h1 tabindex="-1">${t().subject.title} <code>${id.slice(0, 8)}</code></h1>
      <${WhoIsIt} subject=${id} />
      ${submissions[0] && html`<${Take} subject=${id} first=${submissions[0].submissionId} />`}
    </div>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${!pages && !error && html`<${Loading} label=${t().subject.loading} />`}
    ${pages && !submissions.length && html`<${Notice} title=${t().subject.empty} help=${t().subject.emptyHelp} />`}
    ${submissions.length > 0 && html`<${CourseOfOne} subject=${id} submissions=${submissions} />`}
    ${
      submissions.length > 0 &&
      html`<section class="panel">
        <h2>${t().subject.submissions}</h2>
        <ol class="submissions">
          ${submissions.map((one) => html`<${OneSubmission} key=${one.submissionId} listed=${one} again=${again} />`)}
        </ol>
        ${
          last?.more &&
          html`<button type="button" onClick=${() => setCursors([...cursors, last.cursor ?? undefined])}>
            ${t().subject.older}
          </button>`
        }
      </section>`
    }
    ${pages && html`<${Everything} subject=${id} />`}
    <${SubjectLooks} subject=${id} />
    ${pages && html`<${EraseSubject} subject=${id} done=${setCertificate} />`}
  </article>`;
}

/**
 * Shows a subject that was erased: that it was, the looks, and the certificate right after the erasure.
 * @param {{ subject: string, certificate: import('../api-access.js').Certificate | null }} props
 */
function Erased({ subject, certificate }) {
  return html`<article class="subject">
    <div class="screen-head"><h1 tabindex="-1">${t().subject.title} <code>${subject.slice(0, 8)}</code></h1></div>
    ${certificate && html`<${Certificate} it=${certificate} />`}
    <${Notice} title=${t().erasing.gone} help=${t().erasing.goneHelp} />
    <${SubjectLooks} subject=${subject} />
  </article>`;
}

/**
 * The scores that the submissions have, as the API names them; figures first.
 * @param {ListedSubmission[]} submissions
 */
function scoresOf(submissions) {
  const named = submissions.flatMap(({ instrument, scores }) =>
    scores.map((score) => ({ name: `${instrument}.${score.id}`, instrument, score })),
  );
  const all = new Map(named.map((one) => [one.name, one]));
  const isFigure = (/** @type {typeof named[number]} */ { score }) => typeof score.value === 'number';
  return [...all.values()].sort((one, other) => Number(isFigure(other)) - Number(isFigure(one)));
}

/** @param {{ subject: string, submissions: ListedSubmission[] }} props */
function CourseOfOne({ subject, submissions }) {
  const wanted = place.use().query.get('score');
  const all = scoresOf(submissions);
  const chosen = all.find(({ name }) => name === wanted) ?? all[0];
  const text = t().subject;
  if (!chosen)
    return html`<section class="panel"><h2>${text.course}</h2><p class="quiet">${text.noScores}</p></section>`;
  /** @param {Event & { currentTarget: HTMLSelectElement }} event */
  const changed = (event) => filter({ score: event.currentTarget.value });
  const instruments = [...new Set(all.map(({ instrument }) => instrument))];
  return html`<section class="panel">
    <div class="panel-head">
      <h2>${text.course}</h2>
      <label class="field inline">
        <span class="unseen">${text.choose}</span>
        <select value=${chosen.name} onChange=${changed}>
          ${instruments.map(
            (instrument) => html`<${Options} instrument=${instrument}
              scores=${all.filter((one) => one.instrument === instrument)} />`,
          )}
        </select>
      </label>
    </div>
    <${Points} key=${chosen.name} subject=${subject} name=${chosen.name} instrument=${chosen.instrument} submissions=${submissions} />
  </section>`;
}

/** @param {{ instrument: string, scores: ReturnType<typeof scoresOf> }} props */
function Options({ instrument, scores }) {
  const book = useCodebook(instrument);
  return html`<optgroup label=${instrument}>
    ${scores.map(({ name, score }) => html`<option value=${name}>${titleOf(score, book)}</option>`)}
  </optgroup>`;
}

/** @param {{ subject: string, name: string, instrument: string, submissions: ListedSubmission[] }} props */
function Points({ subject, name, instrument, submissions }) {
  const { data: points, error, again } = useLoaded(() => course(subject, name), [subject, name]);
  const book = useCodebook(instrument);
  if (error) return html`<${Failure} error=${error} again=${again} />`;
  if (!points) return html`<${Loading} lines=${2} />`;
  const raised = new Map(submissions.map(({ submissionId, alerts }) => [submissionId, alerts]));
  const unknown = points.some(({ submissionId }) => !raised.has(submissionId));
  return html`<${Course} score=${name.slice(instrument.length + 1)} values=${points} book=${book} alerts=${raised} />
    ${unknown && html`<p class="quiet">${t().chart.unmarked}</p>`}`;
}

/** @param {{ listed: ListedSubmission, again: () => void }} props Its answers are read when it is opened. */
function OneSubmission({ listed, again }) {
  const [open, setOpen] = useState(false);
  const text = t().subject;
  const book = useCodebook(listed.instrument);
  const main = listed.scores.find(({ value }) => typeof value === 'number');
  /** @param {Event & { currentTarget: HTMLDetailsElement }} event */
  const toggled = (event) => setOpen(event.currentTarget.open);
  return html`<li>
    <details onToggle=${toggled}>
      <summary>
        <span class="submission-head">
          <strong>${listed.instrument ?? text.kind[listed.kind] ?? listed.kind}</strong>
          <span>${day(listed.authoredAt)}</span>
          <span class="quiet">${listed.siteId}</span>
          ${
            main &&
            html`<span>${titleOf(main, book)} ${figureOf(main, book)}${main.band ? ` – ${bandOf(main.id, main.band, book)}` : ''}</span>`
          }
          ${listed.state === 'failed' && html`<span>${text.failed}</span>`}
          ${listed.alerts.length > 0 && html`<span><${Shape} name="high" /> ${text.alerts(listed.alerts.length)}</span>`}
        </span>
      </summary>
      ${open && html`<${Opened} id=${listed.submissionId} alerts=${listed.alerts} changed=${again} />`}
    </details>
  </li>`;
}

/** @param {{ id: string, alerts: ListedSubmission['alerts'], changed: () => void }} props */
function Opened({ id, alerts, changed }) {
  const { data: submission, error, again } = useLoaded(() => readSubmission(id), [id]);
  const book = useCodebook(submission?.instrument?.id, submission?.instrument?.version);
  if (error) return html`<${Failure} error=${error} again=${again} />`;
  if (!submission) return html`<${Loading} lines=${2} />`;
  const amended = () => {
    again();
    changed();
  };
  return html`<div class="opened">
    <p class="quiet">${t().subject.received} <${When} time=${submission.receivedAt} /></p>
    ${
      alerts.length > 0 &&
      html`<ul class="links">
        ${alerts.map(
          (alert) =>
            html`<li><a href=${address(`/alerts/${alert.alertId}`)}><${Shape} name=${alert.severity} /> ${t().severity[alert.severity]}</a></li>`,
        )}
      </ul>`
    }
    ${submission.content && html`<${Content} kind=${submission.kind} content=${submission.content} book=${book} />`}
    ${submission.scores && submission.scores.length > 0 && html`<${Scores} scores=${submission.scores} book=${book} />`}
    ${submission.supersedes && html`<p class="quiet">${t().amend.supersedes}</p>`}
    <${Amend} submission=${submission} changed=${amended} />
    <${Erase} id=${id} changed=${changed} />
  </div>`;
}

/** @param {{ id: string, changed: () => void }} props Says what it does, and asks why. */
function Erase({ id, changed }) {
  const text = t().care;
  const [asking, setAsking] = useState(false);
  if (!session.use()?.may.erase) return null;
  /** @param {string} reason */
  const run = async (reason) => {
    try {
      await sign('erase', (meaning) => erase(id, reason, meaning));
      say(text.erased);
    } catch (error) {
      sayWhy(error);
    }
    setAsking(false);
    changed();
  };
  return html`<p><button type="button" onClick=${() => setAsking(true)}>${text.erase}</button></p>
    ${
      asking &&
      html`<${ReasonDialog}
        title=${text.eraseTitle}
        about=${text.eraseHelp}
        act=${text.eraseAct}
        run=${run}
        onClose=${() => setAsking(false)}
      />`
    }`;
}

/** @param {{ subject: string, first: string }} props What can be taken along: a page to print, a table. */
function Take({ subject, first }) {
  const text = t().care;
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      // The list of a subject does not name the study; each of its submissions does.
      const { studyId } = await readSubmission(first);
      download(`${studyId}-${subject.slice(0, 8)}.csv`, 'text/csv', `\uFEFF${await table(studyId, subject)}`);
    } catch (error) {
      sayWhy(error);
    }
    setBusy(false);
  };
  return html`<span class="take-along">
    <a href=${address(`/subjects/${subject}/print`)}>${text.print}</a>
    <button type="button" class="plain" disabled=${busy} onClick=${save}>${busy ? t().act.working : text.export}</button>
  </span>`;
}
