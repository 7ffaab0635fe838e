/** One alert: why it came, what was answered, who was told, and what was done. */

import { addNote, assign, behind, alert as read, submissionsOf } from '../api.js';
import { Age, When } from '../formats.js';
import { ActDialog, actor, Note, say, sayWhy } from '../parts/act.js';
import { Content, Scores, titleOf } from '../parts/answers.js';
import { Attempts } from '../parts/attempts.js';
import { Course } from '../parts/course.js';
import { WhoIsIt } from '../parts/identity.js';
import * as inbox from '../parts/inbox.js';
import { isUntaken, SeverityMark, Shape, StateMark } from '../parts/marks.js';
import { Next } from '../parts/next.js';
import { Failure, Loading, Stale } from '../parts/pages.js';
import { conditions, Headline, itemsOf, useCodebook } from '../parts/reason.js';
import { attend, Meaning } from '../parts/sign.js';
import { Told } from '../parts/told.js';
import { address, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useMemo, useRef, useState } from '../ui.js';

/**
 * @typedef {import('../api.js').Alert} Alert
 * @typedef {import('../api.js').Delivery} Delivery
 * @typedef {import('../api.js').Happened} Happened
 * @typedef {import('../parts/act.js').Act} Act
 */

const PERIOD = 10000;

/** What a person may do in each state; the first is what is most likely meant. @type {Record<string, Act[]>} */
const ACTS = {
  open: ['acknowledge', 'resolve'],
  delivered: ['acknowledge', 'resolve'],
  dead: ['acknowledge', 'resolve'],
  grouped: ['acknowledge', 'resolve'],
  acknowledged: ['resolve', 'reopen'],
  resolved: ['reopen'],
  suppressed: ['reopen'],
};

export function AlertScreen() {
  const { id } = place.use();
  const { data: alert, error, again } = useLoaded(() => read(id), [id]);
  const whole = useLoaded(() => behind(id), [id]);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), PERIOD);
    return () => clearInterval(timer);
  }, [id]);
  const article = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = alert?.alertId;
  useEffect(() => {
    // Whoever opens an alert hears first what it is, unless the person is somewhere in it already.
    const { activeElement } = document;
    const idle = activeElement === document.body || activeElement?.id === 'main';
    if (shown && idle) article.current?.querySelector('h1')?.focus({ preventScroll: true });
  }, [shown]);
  if (!alert) {
    return html`<h1 tabindex="-1" class="unseen">${t().alert.title}</h1>
      ${error ? html`<${Failure} error=${error} again=${again} />` : html`<${Loading} label=${t().alert.loading} />`}
      ${error && html`<p class="back"><a href=${address('/inbox')}>${t().alert.back}</a></p>`}`;
  }
  return html`<article class="alert" ref=${article}>
    <p class="back"><a href=${address('/inbox')}>${t().alert.back}</a></p>
    ${error && html`<${Stale} error=${error} again=${again} />`}
    <${Head} alert=${alert} content=${whole.data?.content} />
    <${Actions} alert=${alert} again=${again} />
    <${Behind} alert=${alert} ...${whole} />
    <div class="aside">
      <${Deliveries} alert=${alert} />
      <${History} alert=${alert} />
    </div>
  </article>`;
}

/** @param {{ alert: Alert, content?: Record<string, unknown> }} props `content`: of the submission, once it is there. */
function Head({ alert, content }) {
  const text = t().alert;
  const urgent = alert.severity === 'critical' && isUntaken(alert.state);
  const why = alert.reasonOfState && (text.reasons[alert.reasonOfState] ?? alert.reasonOfState);
  const demands = conditions(alert.reason);
  // The reason of an adverse event is its grade: what happened has a name, too.
  const term = typeof content?.term === 'string' && content.term;
  const row = { ...alert, deliveries: alert.deliveries.map((one) => ({ ...one, attempts: countOf(one) })) };
  return html`<header class="alert-head ${urgent ? 'urgent' : ''}">
    <h1 tabindex="-1">${term && `${term} – `}<${Headline} alert=${alert} /></h1>
    <p class="marks">
      <${SeverityMark} severity=${alert.severity} state=${alert.state} />
      <${StateMark} state=${alert.state} />
      ${why && html`<span class="quiet">${why}</span>`}
      <span class="alert-age"><${Age} time=${alert.receivedAt} /></span>
    </p>
    <dl class="facts">
      <div><dt>${text.subject}</dt><dd><a href=${address(`/subjects/${alert.subject}`)}>${alert.subject.slice(0, 8)}</a> <${WhoIsIt} subject=${alert.subject} /></dd></div>
      <div><dt>${text.study}</dt><dd>${alert.studyId}</dd></div>
      <div><dt>${text.site}</dt><dd>${alert.siteId}</dd></div>
      <div><dt>${text.instrument}</dt><dd>${alert.instrument}</dd></div>
      <div><dt>${text.arrived}</dt><dd><${When} time=${alert.receivedAt} /></dd></div>
    </dl>
    <${Told} row=${row} />
    <p class="rule quiet">${text.rule} <code>${alert.rule}</code>${demands && `: ${demands}`}</p>
    ${alert.leader && html`<p><a href=${address(`/alerts/${alert.leader}`)}>${text.leader}</a></p>`}
  </header>`;
}

/** @param {Delivery} delivery All its attempts, also those that are not kept. */
function countOf({ attempts, earlier = 0 }) {
  return attempts.length + earlier;
}

/** @param {{ alert: Alert, again: () => void }} props */
function Actions({ alert, again }) {
  const may = session.use()?.may.attend;
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(/** @type {Act | null} */ (null));
  const [asking, setAsking] = useState(/** @type {Act | null} */ (null));
  const acts = ACTS[alert.state] ?? [];
  /** @param {Act} act @param {string} text */
  const run = async (act, text) => {
    setBusy(act);
    try {
      const { state, by, at } = await attend(alert.alertId, act, text.trim());
      inbox.change(alert.alertId, { state, by, doneAt: at });
      setNote('');
      say(t().act.done[act]);
    } catch (error) {
      sayWhy(error);
    }
    setBusy(null);
    again();
  };
  const add = () =>
    tell(async () => {
      await addNote(alert.alertId, note.trim());
      setNote('');
    }, t().act.noted);
  /** @param {() => Promise<unknown>} act @param {string} done */
  const tell = async (act, done) => {
    try {
      await act();
      say(done);
    } catch (error) {
      sayWhy(error);
    }
    again();
  };
  /** @param {string | null} to */
  const give = (to) =>
    tell(async () => {
      await assign(alert.alertId, to);
      inbox.change(alert.alertId, { assignee: to });
    }, t().act.assigned);
  useKeys(may ? acts : [], run, setAsking);
  if (!may) return html`<p class="actions quiet">${t().alert.readOnly}</p>`;
  if (!acts.length) return null;
  return html`<section class="actions" aria-label=${t().alert.actions}>
    <${Note} value=${note} onInput=${setNote} />
    <div class="buttons">
      ${acts.map(
        (act, place) => html`<button
          key=${act}
          type="button"
          class=${place === 0 ? 'primary' : ''}
          disabled=${busy !== null}
          onClick=${() => run(act, note)}
        >
          ${busy === act ? t().act.working : t().act[act]}
        </button>`,
      )}
    </div>
    <button type="button" class="plain" disabled=${busy !== null || !note.trim()} onClick=${add}>${t().act.addNote}</button>
    <${Assignee} assignee=${alert.assignee} give=${give} />
    <a class="like-it" href=${address('/silences', likeIt(alert))}>${t().silences.likeIt}</a>
    ${
      asking &&
      html`<${ActDialog}
        act=${asking}
        about=${t().severity[alert.severity]}
        run=${(/** @type {string} */ text) => run(asking, text)}
        onClose=${() => setAsking(null)}
      />`
    }
  </section>`;
}

/** @param {Alert} alert What a silence of such alerts is about. */
function likeIt({ studyId, siteId, instrument, rule }) {
  return { study: studyId, site: siteId, instrument, rule };
}

/**
 * Who looks after the alert: taken over, handed over, given back.
 * @param {{ assignee: string | null, give: (to: string | null) => void }} props
 */
function Assignee({ assignee, give }) {
  // Usually people take it over by their own name.
  const [to, setTo] = useState(assignee ? '' : (session.value?.who.person?.name ?? ''));
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    give(to.trim());
    setTo('');
  };
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const typed = (event) => setTo(event.currentTarget.value);
  return html`<form class="assign" onSubmit=${submit}>
    <label class="field"
      >${assignee ? t().told.assignee(assignee) : t().act.assign}
      <input required maxlength="100" value=${to} onInput=${typed} placeholder=${t().act.assignTo} autocomplete="off" />
    </label>
    <button>${assignee ? t().act.handOver : t().act.takeOver}</button>
    ${assignee && html`<button type="button" class="plain" onClick=${() => give(null)}>${t().act.giveBack}</button>`}
  </form>`;
}

/**
 * `a` acknowledges, `r` asks for a note and resolves.
 * @param {Act[]} acts
 * @param {(act: Act, note: string) => void} run
 * @param {(act: Act) => void} ask
 */
function useKeys(acts, run, ask) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      const typing = event.target instanceof Element && event.target.closest('input, select, textarea, dialog');
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'a' && acts.includes('acknowledge')) run('acknowledge', '');
      else if (event.key === 'r' && acts.includes('resolve')) ask('resolve');
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  });
}

/**
 * The submission that demanded the alert, and what the same scores were before.
 * @param {{ alert: Alert, data?: import('../api.js').Behind, error?: unknown, again: () => void }} props
 */
function Behind({ alert, data, error, again }) {
  const isResponse = data?.kind === 'response';
  const book = useCodebook(isResponse ? alert.instrument : undefined, data?.scoredWith?.version);
  const text = t().alert;
  const scores = data?.course?.points.find(({ submissionId }) => submissionId === alert.submissionId)?.scores ?? [];
  return html`<section class="panel behind">
    <h2>${!data || isResponse ? text.answers : text.data}</h2>
    ${data?.authoredAt && html`<p class="quiet">${t().subject.date} <${When} time=${data.authoredAt} /></p>`}
    ${!data && !error && html`<${Loading} lines=${3} />`}
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${data && !data.content && html`<p>${text.gone}</p>`}
    ${
      data?.content &&
      html`<${Content} kind=${data.kind} content=${data.content} book=${book} demanded=${itemsOf(alert.reason)} />`
    }
    ${scores.length > 0 && html`<h2>${text.scores}</h2><${Scores} scores=${scores} book=${book} />`}
    ${data?.course && html`<${AlertCourse} points=${data.course.points} alert=${alert} book=${book} />`}
    <p class="more-of"><a href=${address(`/subjects/${alert.subject}`)}>${text.moreOf}</a></p>
  </section>`;
}

/**
 * The course of the first score that is a figure, with the alerts of the person's other submissions.
 * @param {{ points: import('../api.js').CoursePoint[], alert: Alert, book: import('../api.js').Codebook | null }} props
 */
function AlertCourse({ points, alert, book }) {
  // Without it, the course has this alert alone.
  const { data: listed } = useLoaded(() => submissionsOf(alert.subject), [alert.subject]);
  const id = points.flatMap(({ scores }) => scores).find(({ value }) => typeof value === 'number')?.id;
  const values = useMemo(
    () =>
      points.flatMap(({ at, submissionId, scores }) => {
        const score = scores.find((score) => score.id === id);
        return score ? [{ at, submissionId, value: score.value, band: score.band, status: score.status }] : [];
      }),
    [points, id],
  );
  if (!id || values.length < 2) return null;
  const raised = new Map(listed?.submissions.map(({ submissionId, alerts }) => [submissionId, alerts]));
  if (!raised.has(alert.submissionId))
    raised.set(alert.submissionId, [{ alertId: alert.alertId, severity: alert.severity }]);
  return html`<h2>${t().alert.course(titleOf({ id }, book))}</h2>
    <${Course} score=${id} values=${values} book=${book} alerts=${raised} own=${alert.submissionId} />`;
}

/** @type {Record<string, string>} */
const SHAPE_OF = { pending: 'waiting', delivered: 'acknowledged', dead: 'dead', withdrawn: 'quiet' };

/** @param {{ alert: Alert }} props */
function Deliveries({ alert }) {
  const text = t().alert;
  return html`<section class="panel">
    <h2>${text.deliveries}</h2>
    ${!alert.deliveries.length && html`<p class="quiet">${text.noDeliveries}</p>`}
    <ul class="deliveries">
      ${alert.deliveries.map((delivery) => html`<${OneDelivery} key=${delivery.receiver} delivery=${delivery} />`)}
    </ul>
  </section>`;
}

/** @param {{ delivery: Delivery }} props */
function OneDelivery({ delivery }) {
  const text = t().alert;
  const may = session.use()?.may.operate;
  return html`<li>
    <p class="delivery-head">
      <strong>${delivery.receiver}</strong>
      <span class="state"><${Shape} name=${SHAPE_OF[delivery.state]} /> ${text.delivery[delivery.state]}</span>
    </p>
    <p class="quiet">
      ${text.cause[delivery.cause]}
      ${delivery.nextAt && html` · ${t().told.next} <${Next} time=${delivery.nextAt} />`}
    </p>
    <${Attempts} attempts=${delivery.attempts} count=${countOf(delivery)} of=${delivery.receiver} />
    ${may && delivery.state === 'dead' && html`<p><a href=${address('/deliveries')}>${text.sendAgain}</a></p>`}
  </li>`;
}

/** @param {{ alert: Alert }} props */
function History({ alert }) {
  return html`<section class="panel">
    <h2>${t().alert.history}</h2>
    <ol class="history">
      ${[...alert.history].reverse().map((entry) => html`<${Entry} key=${entry.n} entry=${entry} />`)}
    </ol>
  </section>`;
}

/** @param {{ entry: Happened }} props */
function Entry({ entry }) {
  const text = t().alert;
  const by = entry.by && actor(entry.by, entry.byName);
  return html`<li>
    <p>
      <strong>${text.what[entry.what] ?? entry.what}</strong>
      ${by && html` ${text.by(by)}`}
      ${entry.to && html` <span>→ ${entry.to}</span>`}
      ${entry.receiver && html` <span>${entry.receiver}</span>`}
      ${!entry.receiver && entry.told.length > 0 && html` <span>→ ${entry.told.join(', ')}</span>`}
    </p>
    ${entry.note && html`<p class="note">${entry.note}</p>`}
    <${Meaning} it=${entry} />
    <p class="quiet"><${When} time=${entry.at} /></p>
  </li>`;
}
