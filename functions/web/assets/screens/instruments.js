/** Instruments: the library, and one of them with its items, scores and alert rules, and a place to try it. */

import { instrument, instruments } from '../api-setup.js';
import { number } from '../formats.js';
import { SeverityMark } from '../parts/marks.js';
import { Failure, Loading, Notice, Stale } from '../parts/pages.js';
import { ruleInWords } from '../parts/rules.js';
import { Try } from '../parts/try.js';
import { address, filter, go, place } from '../router.js';
import { bandWord, nameOf, t } from '../text.js';
import { html, useEffect, useLoaded, useRef } from '../ui.js';

/**
 * @typedef {import('../api-setup.js').Listed} Listed
 * @typedef {import('../api-setup.js').Book} Book
 * @typedef {import('../api-setup.js').Item} Item
 * @typedef {Awaited<ReturnType<typeof instrument>>} Instrument
 */

export function InstrumentsScreen() {
  const { id } = place.use();
  return id ? html`<${One} id=${id} />` : html`<${Library} />`;
}

function Library() {
  const text = t().instruments;
  const { data, error, again } = useLoaded(instruments, []);
  const asked = place.use().query.get('q') ?? '';
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const press = (event) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = data?.filter((one) => {
    const all = `${one.id} ${one.title} ${one.licence}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  return html`<article class="stack">
    <div class="screen-head">
      <h1 tabindex="-1">${text.title}</h1>
      ${shown && html`<p class="quiet" role="status">${text.count(shown.length)}</p>`}
    </div>
    <label class="field search"
      >${text.search}
      <input
        ref=${field}
        type="search"
        value=${asked}
        placeholder=${text.searchHelp}
        onInput=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => filter({ q: event.currentTarget.value })}
      />
    </label>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && !data.length && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
    ${data && data.length > 0 && !shown?.length && html`<${Notice} title=${text.noMatch} help=${text.noMatchHelp} />`}
    ${
      shown &&
      shown.length > 0 &&
      html`<ul class="library">
        ${shown.map((one) => html`<${Entry} key=${one.id} one=${one} />`)}
      </ul>`
    }
  </article>`;
}

/** @param {{ one: Listed }} props */
function Entry({ one }) {
  const text = t().instruments;
  return html`<li>
    <p class="library-title"><a href=${address(`/instruments/${one.id}`)}>${one.title}</a></p>
    <p class="row-about">
      <code>${one.id}</code>
      <span>${text.versionOf(one.version)}</span>
      <span>${text.items(one.items)}</span>
      <span>${text.scores(one.scores.length)}</span>
      <span class=${one.builtIn ? '' : 'own'}>${one.builtIn ? text.builtIn : text.own}</span>
    </p>
    <p class="licence" lang="en">${one.licence}</p>
  </li>`;
}

/** @param {{ id: string }} props */
function One({ id }) {
  const text = t().instruments;
  const { query } = place.use();
  const version = query.get('version') ?? '';
  const { data, error, again } = useLoaded(() => instrument(id, version), [id, version]);
  const trying = query.get('view') === 'try';
  const head = data && html`<${Head} it=${data} trying=${trying} />`;
  return html`<article class="stack">
    ${
      error &&
      !data &&
      html`<h1 class="unseen" tabindex="-1">${text.title}</h1><${Failure} error=${error} again=${again} />
      <p class="back"><a href=${address('/instruments')}>${text.back}</a></p>`
    }
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<h1 class="unseen" tabindex="-1">${text.title}</h1><${Loading} label=${text.loading} />`}
    ${head}
    ${data && !trying && html`<${Definition} it=${data} />`}
    ${data && trying && html`<${Try} key=${`${id} ${data.definition.version}`} it=${data} />`}
  </article>`;
}

/** @param {{ it: Instrument, trying: boolean }} props */
function Head({ it, trying }) {
  const text = t().instruments;
  const { definition, listed } = it;
  const versions = listed?.versions ?? [definition.version];
  const here = `/instruments/${definition.id}`;
  const version = place.value.query.get('version') ?? '';
  return html`<section class="panel">
    <p><a href=${address('/instruments')}>${text.back}</a></p>
    <h1 tabindex="-1" lang=${definition.languages[0]}>${definition.title}</h1>
    <dl class="facts">
      <div><dt>${text.version}</dt><dd>${versions.length > 1 ? html`<${Versions} versions=${versions} shown=${definition.version} />` : definition.version}</dd></div>
      <div><dt>${text.origin}</dt><dd>${listed?.builtIn ? text.builtIn : text.own}</dd></div>
      <div><dt>${text.languages}</dt><dd>${definition.languages.map(nameIn).join(', ')}</dd></div>
      <div><dt>${text.itemsTitle}</dt><dd>${number(it.book.items.length)}</dd></div>
      <div><dt>${t().alert.scores}</dt><dd>${number(it.book.scores.length)}</dd></div>
    </dl>
    <nav class="views" aria-label=${text.views}>
      <a href=${address(here, { version })} aria-current=${trying ? null : 'page'}>${text.about}</a>
      <a href=${address(here, { version, view: 'try' })} aria-current=${trying ? 'page' : null}>${text.try}</a>
    </nav>
  </section>`;
}

/** @param {string} tag A language in the language of the screen. */
function nameIn(tag) {
  return new Intl.DisplayNames([t().tag], { type: 'language' }).of(tag) ?? nameOf(tag);
}

/** @param {{ versions: string[], shown: string }} props */
function Versions({ versions, shown }) {
  /** @param {Event & { currentTarget: HTMLSelectElement }} event */
  const choose = (event) => {
    const query = { ...Object.fromEntries(place.value.query), version: event.currentTarget.value };
    go(address(location.pathname, query));
  };
  return html`<select class="versions" aria-label=${t().instruments.version} value=${shown} onChange=${choose}>
    ${versions.map((version) => html`<option value=${version}>${version}</option>`)}
  </select>`;
}

/** @param {{ it: Instrument }} props */
function Definition({ it }) {
  const text = t().instruments;
  const { definition, book } = it;
  const wordless = book.items.every((item) => !item.text);
  return html`<div class="halves definition">
    <section class="panel">
      <h2>${text.itemsTitle}</h2>
      ${wordless && html`<p class="quiet">${text.wording}</p>`}
      ${groups(book.items).map((items) => html`<${Group} items=${items} />`)}
    </section>
    <div class="stack side">
      <section class="panel">
        <h2>${text.rulesTitle}</h2>
        <p class="quiet">${definition.alerts?.length ? text.rulesHelp : text.noRules}</p>
        <ul class="rules">
          ${definition.alerts?.map(
            (rule) => html`<li key=${rule.id}>
              <p class="delivery-head">
                <${SeverityMark} severity=${rule.severity} state="suppressed" /> <code>${rule.id}</code>
              </p>
              <p>${ruleInWords(rule.when, book)}</p>
              ${rule.always && html`<p class="quiet">${text.always}</p>`}
            </li>`,
          )}
        </ul>
      </section>
      <section class="panel">
        <h2>${text.scoresTitle}</h2>
        <${Scales} book=${book} />
      </section>
    </div>
    <section class="panel">
      <h2>${text.licence}</h2>
      <p lang="en">${definition.licence}</p>
      <h2>${text.sources}</h2>
      <${Lines} lines=${definition.sources} />
      ${definition.notes?.length && html`<h2>${text.notes}</h2><${Lines} lines=${definition.notes} />`}
    </section>
  </div>`;
}

/** @param {{ lines: string[] }} props */
function Lines({ lines }) {
  return html`<ul class="plain-list" lang="en">${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}

/** @param {Item[]} items Neighbours that have the same answers, together. */
function groups(items) {
  /** @type {Item[][]} */
  const all = [];
  let before = '';
  for (const item of items) {
    const answers = JSON.stringify([item.options, item.low, item.high, item.kind]);
    if (answers === before) all.at(-1)?.push(item);
    else all.push([item]);
    before = answers;
  }
  return all;
}

/** @param {{ items: Item[] }} props */
function Group({ items }) {
  const text = t().instruments;
  const [first] = items;
  if (!first) return null;
  const { options = [], low, high, kind } = first;
  return html`<section class="group">
    <ul class="items">
      ${items.map(
        (item) => html`<li key=${item.id} class="item">
          <span class="item-id">${item.id}</span>
          <span>${item.text} ${item.loinc && html`<code class="quiet">LOINC ${item.loinc}</code>`} ${item.required && html`<span class="quiet">${text.required}</span>`}</span>
        </li>`,
      )}
    </ul>
    <dl class="options">
      <dt>${text.answersOf}</dt>
      ${!options.length && html`<dd>${text.range(number(low), number(high))}${kind === 'decimal' ? `, ${text.decimals}` : ''}</dd>`}
      ${options.map(
        (option) => html`<dd>
          <span class="figure">${number(option.value)}</span> ${option.label}
          ${option.code && html` <code class="quiet">${option.code}</code>`}
          ${option.weight === null && html` <span class="quiet">${text.noWeight}</span>`}
          ${option.weight !== null && option.weight !== option.value && html` <span class="quiet">${text.weight(number(option.weight))}</span>`}
        </dd>`,
      )}
    </dl>
  </section>`;
}

/** @param {{ book: Book }} props */
function Scales({ book }) {
  const text = t().instruments;
  return html`<ul class="scales">
    ${book.scores.map(
      ({ id, title, low, high, bands = [], source }) => html`<li key=${id}>
        <p class="delivery-head">
          <strong>${title ?? id}</strong>
          ${low !== undefined && high !== undefined && html`<span class="quiet">${text.range(number(low), number(high))}</span>`}
        </p>
        ${title && html`<p><code class="quiet">${id}</code></p>`}
        ${
          bands.length > 0 &&
          html`<dl class="bands">
            ${bands.map((band) => html`<div><dt>${bandWord(band.label ?? band.id)}</dt><dd class="quiet">${span(band)}</dd></div>`)}
          </dl>`
        }
        ${source && html`<p class="quiet" lang="en"><small>${source}</small></p>`}
      </li>`,
    )}
  </ul>`;
}

/** @param {{ from?: number, below?: number }} band */
function span({ from, below }) {
  const text = t().instruments;
  if (from === undefined) return below === undefined ? '' : text.below(number(below));
  if (below === undefined) return text.from(number(from));
  // Whole figures are said as people say them.
  const whole = Number.isInteger(from) && Number.isInteger(below);
  if (whole && below - from === 1) return number(from);
  return whole
    ? text.range(number(from), number(below - 1))
    : `${text.from(number(from))}, ${text.below(number(below))}`;
}
