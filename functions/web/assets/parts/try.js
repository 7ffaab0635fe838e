/** Trying an instrument: answers on one side; the scores, bands and alerts that follow on the other. Nothing is stored. */

import { tryOut } from '../api-setup.js';
import { number } from '../formats.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useMemo, useState } from '../ui.js';
import { bandOf, figureOf, Scores, titleOf } from './answers.js';
import { SeverityMark } from './marks.js';
import { Failure, Notice, Stale } from './pages.js';
import { inWords } from './reason.js';

/**
 * @typedef {import('../api-setup.js').Item} Item
 * @typedef {import('../api-setup.js').Tried} Tried
 * @typedef {import('../api-setup.js').Parameter} Parameter
 * @typedef {Awaited<ReturnType<typeof import('../api-setup.js').instrument>>} Instrument
 * @typedef {Record<string, number>} Answers
 * @typedef {{ tried: Tried | null, error?: unknown, working: boolean }} Result
 */

/** How long a person may go on answering before Vigil is asked, milliseconds. */
const PAUSE = 250;
/** The most figures that are shown as buttons. */
const FEW = 12;

/** @param {{ it: Instrument }} props */
export function Try({ it }) {
  const text = t().instruments;
  const { definition, book } = it;
  const [answers, setAnswers] = useState(/** @type {Answers} */ ({}));
  const [given, setGiven] = useState(/** @type {Record<string, string>} */ ({}));
  const { result, again } = useTried(it, answers, given);
  if (!session.value?.may.configure) {
    return html`<${Notice} title=${text.tryForbidden} help=${text.tryForbiddenHelp} />`;
  }
  const some = Object.keys(answers).length;
  /** @param {string} id @param {number | null} value */
  const answer = (id, value) => {
    const { [id]: _, ...others } = answers;
    setAnswers(value === null ? others : { ...others, [id]: value });
  };
  const clear = () => setAnswers({});
  return html`<div class="halves trying">
    <form class="panel" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <div class="panel-head">
        <p class="quiet">${text.tryHelp}</p>
        ${some > 0 && html`<button type="button" onClick=${clear}>${text.clear}</button>`}
      </div>
      ${definition.parameters?.length && html`<${Parameters} all=${definition.parameters} given=${given} onGive=${setGiven} />`}
      ${book.items.map((item) => html`<${Question} key=${item.id} item=${item} value=${answers[item.id]} onAnswer=${answer} />`)}
      <${Foot} it=${it} some=${some} result=${result} />
    </form>
    <section id="result" class="panel result" tabindex="0" aria-label=${text.result} aria-live="polite" aria-busy=${result.working}>
      <p class="quiet">${text.answered(some, book.items.length)}${result.working && ` · ${text.working}`}</p>
      ${!some && html`<p>${text.waiting}</p>`}
      ${some > 0 && result.error && !result.tried && html`<${Failure} error=${result.error} again=${again} />`}
      ${some > 0 && result.error && result.tried && html`<${Stale} error=${result.error} again=${again} />`}
      ${some > 0 && result.tried && html`<${Outcome} tried=${result.tried} it=${it} />`}
    </section>
  </div>`;
}

/**
 * What follows from the answers. An answer that comes late, after newer ones were asked, does not count.
 * @param {Instrument} it
 * @param {Answers} answers
 * @param {Record<string, string>} given
 */
function useTried({ definition, text }, answers, given) {
  const [result, setResult] = useState(/** @type {Result} */ ({ tried: null, working: false }));
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!Object.keys(answers).length || !session.value?.may.configure) {
      setResult({ tried: null, working: false });
      return;
    }
    let current = true;
    setResult((before) => ({ ...before, working: true }));
    const timer = setTimeout(() => {
      tryOut(definition.id, text, { answers, parameters: given }).then(
        (tried) => current && setResult({ tried, working: false }),
        (error) => current && setResult((before) => ({ tried: before.tried, error, working: false })),
      );
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [answers, given, round]);
  return { result, again: () => setRound(round + 1) };
}

/** @param {{ all: Parameter[], given: Record<string, string>, onGive: (given: Record<string, string>) => void }} props */
function Parameters({ all, given, onGive }) {
  /** @param {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} event */
  const give = ({ currentTarget }) => {
    const { [currentTarget.name]: _, ...others } = given;
    onGive(currentTarget.value ? { ...others, [currentTarget.name]: currentTarget.value } : others);
  };
  return html`<fieldset class="parameters">
    <legend>${t().instruments.parameters}</legend>
    ${all.map(({ id, title, choices, range, default: usual }) => {
      const value = given[id] ?? String(usual ?? '');
      const field = choices
        ? html`<select name=${id} value=${value} onChange=${give}>
            ${usual === undefined && html`<option value=""></option>`}
            ${choices.map((choice) => html`<option value=${choice}>${choice}</option>`)}
          </select>`
        : html`<input name=${id} inputmode="decimal" value=${value} placeholder=${range?.join(' – ')} onChange=${give} />`;
      return html`<label class="field" key=${id}><span lang="en">${title ?? id}</span>${field}</label>`;
    })}
  </fieldset>`;
}

/** @param {{ item: Item, value: number | undefined, onAnswer: (id: string, value: number | null) => void }} props */
function Question({ item, value, onAnswer }) {
  const text = t().instruments;
  const choices = useMemo(() => choicesOf(item), [item]);
  const scale = choices?.every(({ label }) => !label);
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const typed = ({ currentTarget }) => {
    const number = currentTarget.value === '' ? null : Number(currentTarget.value);
    onAnswer(item.id, Number.isNaN(number) ? null : number);
  };
  return html`<fieldset class="question ${value === undefined ? '' : 'answered'}">
    <legend><span class="item-id">${item.id}</span> <span lang="en">${item.text}</span></legend>
    <div class="choices ${scale ? 'scale' : ''}">
      ${choices?.map(
        (choice) => html`<label class="choice" key=${choice.value}>
          <input
            type="radio"
            name=${item.id}
            value=${choice.value}
            checked=${value === choice.value}
            onChange=${() => onAnswer(item.id, choice.value)}
          />
          <span class="figure">${number(choice.value)}</span> ${choice.label && html`<span lang="en">${choice.label}</span>`}
        </label>`,
      )}
      ${
        !choices &&
        html`<label class="field">
          ${text.range(number(item.low), number(item.high))}
          <input
            type="number"
            min=${item.low}
            max=${item.high}
            step=${item.kind === 'integer' ? 1 : 'any'}
            value=${value ?? ''}
            onInput=${typed}
          />
        </label>`
      }
      ${
        choices &&
        value !== undefined &&
        html`<button type="button" class="plain take" aria-label=${text.takeItem(item.id)} onClick=${() => onAnswer(item.id, null)}>
          ${text.take}
        </button>`
      }
    </div>
  </fieldset>`;
}

/**
 * The answers of an item, if they are few.
 * @param {Item} item
 * @returns {{ value: number, label?: string }[] | null}
 */
function choicesOf({ options, low, high, kind }) {
  if (options?.length) return options;
  if (kind !== 'integer' || high - low >= FEW) return null;
  return Array.from({ length: high - low + 1 }, (_, step) => ({ value: low + step }));
}

/** @param {{ tried: Tried, it: Instrument }} props */
function Outcome({ tried, it }) {
  const text = t().instruments;
  return html`<h2>${text.alertsTitle}</h2>
    ${!tried.alerts.length && html`<p class="quiet">${text.noAlerts}</p>`}
    <ul class="rules">
      ${tried.alerts.map(
        (alert) => html`<li key=${alert.rule}>
          <p class="delivery-head">
            <${SeverityMark} severity=${alert.severity} state="suppressed" /> <code>${alert.rule}</code>
          </p>
          <p>${inWords(alert.reason)}</p>
        </li>`,
      )}
    </ul>
    <h2>${t().alert.scores}</h2>
    <${Scores} scores=${tried.scores} book=${it.book} />`;
}

/** @param {{ it: Instrument, some: number, result: Result }} props The result in a line, where it does not stand beside. */
function Foot({ it, some, result }) {
  const text = t().instruments;
  const { tried } = result;
  const main = tried?.scores.find(({ value }) => value !== null);
  const band = main?.band && bandOf(main.id, main.band, it.book);
  const figure = main && `${titleOf(main, it.book)} ${figureOf(main, it.book)}`;
  const told = tried && [figure, band, text.alerts(tried.alerts.length)].filter(Boolean).join(' · ');
  /** @param {Event} event */
  const show = (event) => {
    event.preventDefault();
    const result = document.getElementById('result');
    result?.scrollIntoView();
    result?.focus({ preventScroll: true });
  };
  if (!some) return null;
  return html`<p class="try-foot">
    <span>${told ?? text.answered(some, it.book.items.length)}</span>
    <a href="#result" onClick=${show}>${text.toResult}</a>
  </p>`;
}
