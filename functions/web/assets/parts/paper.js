/**
 * A subject on paper: the scores over time, the alerts with what was done, every submission with its answers. Black on white,
 * A4, no submission parted by a page where it fits on one.
 */

import { whole } from '../api-care.js';
import { day } from '../formats.js';
import { address, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useLoaded, useMemo, useState } from '../ui.js';
import { actor } from './act.js';
import { Content, Scores, titleOf } from './answers.js';
import { Values } from './course.js';
import { SeverityMark, StateMark } from './marks.js';
import { Failure, Notice } from './pages.js';
import { PaperCourse } from './paper-course.js';
import { inWords } from './reason.js';

/**
 * @typedef {import('../api-care.js').Whole} Whole
 * @typedef {import('../api.js').Alert} Alert
 * @typedef {import('../api.js').Submission} Submission
 */

export function Paper() {
  const { id } = place.use();
  const [progress, setProgress] = useState('');
  const load = () => whole(id, (done, all) => setProgress(t().paper.reading(done, all)));
  const { data, error, again } = useLoaded(load, [id]);
  const text = t().paper;
  return html`<article class="stack">
    <div class="screen-head paper-tools">
      <a href=${address(`/subjects/${id}`)}>${text.back}</a>
      <button type="button" class="primary" disabled=${!data} onClick=${() => print()}>${text.print}</button>
      <p class="quiet">${text.careful}</p>
    </div>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${!data && !error && html`<p role="status">${progress || t().subject.loading}</p>`}
    ${data && !data.submissions.length && html`<${Notice} title=${t().subject.empty} help=${t().subject.emptyHelp} />`}
    ${data && data.submissions.length > 0 && html`<${Sheet} subject=${id} whole=${data} />`}
  </article>`;
}

/** @param {{ subject: string, whole: Whole }} props */
function Sheet({ subject, whole: { submissions, alerts, books, erased, more } }) {
  const text = t().paper;
  const who = session.use()?.who;
  const printed = useMemo(() => new Date().toISOString(), []);
  const sites = [...new Set(submissions.map(({ siteId }) => siteId))];
  const studies = [...new Set(submissions.map(({ studyId }) => studyId))];
  return html`<div class="paper">
    <header>
      <h1 tabindex="-1">${t().subject.title} <code>${subject.slice(0, 8)}</code></h1>
      <dl class="facts">
        <div><dt>${t().alert.study}</dt><dd>${studies.join(', ')}</dd></div>
        <div><dt>${t().alert.site}</dt><dd>${sites.join(', ')}</dd></div>
        <div><dt>${text.pseudonym}</dt><dd><code>${subject}</code></dd></div>
        <div><dt>${text.printed}</dt><dd>${day(printed)}</dd></div>
        <div><dt>${text.by}</dt><dd>${who?.person?.name ?? who?.label ?? who?.keyId}</dd></div>
        <div><dt>${t().subject.submissions}</dt><dd>${text.count(submissions.length, erased, more)}</dd></div>
      </dl>
    </header>
    ${coursesOf(submissions).map((course) => html`<${OneCourse} course=${course} books=${books} />`)}
    ${alerts.length > 0 && html`<${Alerts} alerts=${alerts} />`}
    <section>
      <h2>${t().subject.submissions}</h2>
      ${submissions.map((one) => html`<${OneSubmission} key=${one.submissionId} submission=${one} books=${books} />`)}
    </section>
  </div>`;
}

/**
 * @typedef {{ instrument: string, score: string, values: import('./course.js').Value[],
 *   alerts: Map<string, import('./course.js').Raised[]> }} CourseOfOne
 */

/**
 * The courses of all scores that are figures and have at least two.
 * @param {Submission[]} submissions The oldest first.
 * @returns {CourseOfOne[]}
 */
function coursesOf(submissions) {
  /** @type {Map<string, CourseOfOne>} */
  const found = new Map();
  for (const { submissionId, authoredAt = '', instrument, scores = [], alerts = [], supersededBy } of submissions) {
    if (!instrument || supersededBy) continue;
    for (const { id, value, band, status } of scores) {
      const name = `${instrument.id}.${id}`;
      /** @type {CourseOfOne} */
      const course = found.get(name) ?? { instrument: instrument.id, score: id, values: [], alerts: new Map() };
      course.values.push({ at: authoredAt, submissionId, value, band, status });
      course.alerts.set(submissionId, alerts);
      found.set(name, course);
    }
  }
  return [...found.values()].filter(({ values }) => values.filter(({ value }) => typeof value === 'number').length > 1);
}

/** @param {{ course: CourseOfOne, books: Whole['books'] }} props */
function OneCourse({ course: { instrument, score, values, alerts }, books }) {
  const book = books.get(instrument) ?? null;
  const title = `${book?.title ?? instrument}: ${titleOf({ id: score }, book)}`;
  const scale = book?.scores.find(({ id }) => id === score);
  return html`<section class="paper-whole">
    <h2>${title}</h2>
    <${PaperCourse} values=${values} scale=${scale} alerts=${alerts} label=${t().chart.label(title, values.length)} />
    <${Values} score=${score} values=${values} book=${book} alerts=${alerts} />
  </section>`;
}

/** @param {{ alerts: Alert[] }} props */
function Alerts({ alerts }) {
  const text = t().alert;
  return html`<section>
    <h2>${t().paper.alerts}</h2>
    ${alerts.map(
      (alert) => html`<section key=${alert.alertId} class="paper-whole paper-alert">
        <p class="marks">
          <${SeverityMark} severity=${alert.severity} state=${'resolved'} />
          <${StateMark} state=${alert.state} />
          <span>${day(alert.receivedAt)}</span> <span>${alert.instrument}, ${text.rule} ${alert.rule}</span>
        </p>
        <p>${inWords(alert.reason)}</p>
        <ul>
          ${alert.history.map(
            (entry) => html`<li>
              ${day(entry.at)}: ${text.what[entry.what] ?? entry.what}
              ${entry.by && ` ${text.by(actor(entry.by, entry.byName))}`}${entry.to && ` → ${entry.to}`}${entry.receiver && ` ${entry.receiver}`}
              ${!entry.receiver && entry.told.length > 0 && ` → ${entry.told.join(', ')}`}
              ${entry.note && html`<span class="note">${entry.note}</span>`}
            </li>`,
          )}
        </ul>
      </section>`,
    )}
  </section>`;
}

/** @param {{ submission: Submission, books: Whole['books'] }} props */
function OneSubmission({ submission, books }) {
  const { kind = '', instrument, authoredAt, receivedAt, siteId, content, scores = [], supersededBy } = submission;
  const book = books.get(instrument?.id ?? '') ?? null;
  const text = t().subject;
  return html`<section class="paper-whole paper-submission">
    <h3>
      ${book?.title ?? text.kind[kind] ?? kind}${instrument && ` (${t().instruments.versionOf(instrument.version)})`}
      ${supersededBy && html`<small> ${t().paper.superseded}</small>`}
    </h3>
    <p>
      ${authoredAt && html`${text.date} ${day(authoredAt)}, `}${text.received} ${day(receivedAt)}, ${t().alert.site} ${siteId}
    </p>
    ${content && html`<${Content} kind=${kind} content=${content} book=${book} />`}
    ${scores.length > 0 && html`<${Scores} scores=${scores} book=${book} />`}
  </section>`;
}
