/** Configuration: the documents, and one of them to read, change, compare, check and store. */

import { Refusal } from '../api.js';
import { checkDocument, documents, document as load, storeDocument } from '../api-setup.js';
import { When } from '../formats.js';
import { actor, Dialog, say, sayWhy } from '../parts/act.js';
import { Comparison } from '../parts/compare.js';
import { Difference, Editor } from '../parts/editor.js';
import { EraseStudy } from '../parts/erase-study.js';
import { Failure, kindOf, Loading, Stale } from '../parts/pages.js';
import { readPlaces } from '../parts/places.js';
import { Meaning, sign } from '../parts/sign.js';
import { address, go, place } from '../router.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useRef, useState } from '../ui.js';

/**
 * @typedef {import('../api-setup.js').Version} Version
 * @typedef {import('../api.js').Finding} Finding
 * @typedef {Awaited<ReturnType<typeof load>>} Document
 */

/** What a document that was never stored begins with. */
const EMPTY = '{\n}\n';

export function ConfigurationScreen() {
  const { id, query } = place.use();
  const version = query.get('version') ?? '';
  return id ? html`<${One} key=${version} name=${id} version=${version} />` : html`<${All} />`;
}

function All() {
  const text = t().configuration;
  const { data, error, again } = useLoaded(documents, []);
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${text.title}</h1></div>
    <p class="quiet">${text.help}</p>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} />`}
    ${
      data &&
      html`<ul class="library">
        ${data.map(
          (one) => html`<li key=${one.document}>
            <p class="library-title"><a href=${address(`/configuration/${one.document}`)}>${one.document}</a></p>
            <p>${text.about[one.document]}</p>
            <p class="row-about"><${Stamp} version=${one} /></p>
          </li>`,
        )}
      </ul>`
    }
  </article>`;
}

/** @param {{ version: Version }} props Which version it is, since when, and by whom. */
function Stamp({ version: { version, at, by, byName } }) {
  const text = t().configuration;
  if (version === null) return html`<span>${text.never}</span>`;
  return html`<span>${text.version(version)}</span><span>${at && html`<${When} time=${at} />`}</span><span>${by && t().alert.by(actor(by, byName))}</span>`;
}

/** @param {{ name: string, version: string }} props */
function One({ name, version }) {
  const text = t().configuration;
  const { data, error, again } = useLoaded(() => load(name, version), [name, version]);
  return html`<article class="stack">
    <div class="screen-head">
      <p><a href=${address('/configuration')}>${text.back}</a></p>
      <h1 tabindex="-1">${name}</h1>
    </div>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} label=${text.loading} />`}
    ${data && html`<${Work} it=${data} name=${name} asked=${version} again=${again} />`}
    ${name === 'retention' && html`<${EraseStudy} />`}
  </article>`;
}

/** @param {{ it: Document, name: string, asked: string, again: () => void }} props */
function Work({ it, name, asked, again }) {
  const text = t().configuration;
  const { current } = it;
  // What a person writes stays when somebody else stores another version meanwhile.
  const [written, setDraft] = useState(/** @type {string | null} */ (null));
  const draft = written ?? it.text ?? EMPTY;
  const [findings, setFindings] = useState(/** @type {Finding[]} */ ([]));
  const [working, setWorking] = useState(false);
  const [saving, setSaving] = useState(false);
  const [overtaken, setOvertaken] = useState(/** @type {number | null} */ (null));
  const before = it.inForce ?? '';
  const changed = draft.trim() !== (it.inForce ?? EMPTY).trim();
  const sound = readPlaces(draft).wrong === null;
  const earlier = asked !== '' && Number(asked) !== current.version;
  useEffect(() => {
    /** @param {BeforeUnloadEvent} event */
    const stay = (event) => event.preventDefault();
    if (changed && !earlier) addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [changed, earlier]);
  const stored = useRef(/** @type {string | null} */ (null));
  useEffect(() => {
    // What was stored is shown as Vigil has it, unless the person goes on writing.
    const text = stored.current;
    if (text !== null) setDraft((now) => (now === text ? null : now));
    stored.current = null;
  }, [current.version]);
  /** @param {string} next */
  const write = (next) => {
    setDraft(next);
    setFindings([]);
  };
  /** Runs a request, and shows the findings if it is refused with some. @param {() => Promise<void>} request */
  const ask = async (request) => {
    setWorking(true);
    try {
      await request();
    } catch (error) {
      if (error instanceof Refusal && error.findings.length) {
        setFindings(error.findings);
        say(text.refused(error.findings.length), true);
      } else if (kindOf(error) === 'conflict') {
        setOvertaken(current.version ?? 0);
      } else sayWhy(error);
    }
    setWorking(false);
  };
  /** @param {() => void} then */
  const check = (then) =>
    ask(async () => {
      await checkDocument(name, draft);
      setFindings([]);
      then();
    });
  /** @param {string} reason */
  const store = (reason) => {
    setSaving(false);
    return ask(async () => {
      const how = { seen: current.version, reason };
      const { version } = await sign('store', (meaning) => storeDocument(name, draft, { ...how, meaning }));
      say(text.stored(version ?? 1));
      setOvertaken(null);
      stored.current = draft;
      if (asked) go(address(`/configuration/${name}`));
      else again();
    });
  };
  const isOvertaken = overtaken !== null && overtaken === (current.version ?? 0);
  return html`<section class="panel">
      <p>${text.about[name]}</p>
      <p class="row-about"><${Stamp} version=${current} /></p>
      ${it.text === null && html`<p class="quiet">${text.neverHelp}</p>`}
      ${earlier && html`<p class="fault">${text.earlier(asked, current.version ?? 0)}</p>`}
      ${
        isOvertaken &&
        html`<div class="stale" role="alert">
          <span><strong>${text.overtaken}</strong> ${text.overtakenHelp}</span>
          <button type="button" onClick=${again}>${text.compare}</button>
        </div>`
      }
      ${overtaken !== null && !isOvertaken && html`<p class="fault" role="status">${text.compared(current.version ?? 0)}</p>`}
      <div class="buttons">
        <button type="button" class="primary" disabled=${working || !changed || !sound || isOvertaken} onClick=${() => check(() => setSaving(true))}>
          ${working ? t().act.working : earlier ? text.restore : text.save}
        </button>
        <button type="button" disabled=${working || !sound} onClick=${() => check(() => say(text.good))}>${text.check}</button>
        ${changed && html`<button type="button" onClick=${() => write(before || EMPTY)}>${text.discard}</button>`}
      </div>
    </section>
    <${Editor} label=${text.field(name)} text=${draft} findings=${findings} onInput=${write}>
      <${Versions} it=${it} name=${name} asked=${asked} />
    <//>
    <${Comparison} it=${it} shown=${Number(asked) || (current.version ?? 0)} draft=${draft} />
    ${saving && html`<${Save} before=${before} after=${draft} restores=${earlier ? asked : ''} onSave=${store} onClose=${() => setSaving(false)} />`}`;
}

/** @param {{ it: Document, name: string, asked: string }} props The versions, the latest first, with what is known of each. */
function Versions({ it, name, asked }) {
  const text = t().configuration;
  const latest = it.current.version ?? 0;
  const shown = Number(asked) || latest;
  // The audit chain has a record for each version.
  const of = (/** @type {number} */ version) => it.changes.at(version - 1 - latest);
  return html`<section class="panel">
    <h2>${text.versions}</h2>
    ${!latest && html`<p class="quiet">${text.never}</p>`}
    <ol class="versions-list">
      ${Array.from({ length: Math.min(latest, 50) }, (_, n) => latest - n).map((version) => {
        const change = of(version);
        const where = address(`/configuration/${name}`, version === latest ? {} : { version: String(version) });
        return html`<li key=${version}>
          <p class="delivery-head">
            <a href=${where} aria-current=${version === shown ? 'page' : null}>${text.version(version)}</a>
            ${change && html`<${When} time=${change.at} />`}
          </p>
          <p class="quiet">${[version === latest && text.inForce, change && t().alert.by(actor(change.actor, change.byName ?? change.actorName))].filter(Boolean).join(' · ')}</p>
          ${change?.reason && html`<p class="note">${change.reason}</p>`}
          ${change && html`<${Meaning} it=${change} />`}
        </li>`;
      })}
    </ol>
  </section>`;
}

/** @param {{ before: string, after: string, restores: string, onSave: (reason: string) => void, onClose: () => void }} props */
function Save({ before, after, restores, onSave, onClose }) {
  const text = t().configuration;
  const [reason, setReason] = useState(restores && text.restores(restores));
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    onSave(reason.trim());
  };
  return html`<${Dialog} title=${restores ? text.restore : text.save} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${text.saveHelp}</p>
      <${Difference} before=${before} after=${after} />
      <label class="field"
        >${t().deliveries.ask}
        <input
          required
          maxlength="500"
          value=${reason}
          onInput=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => setReason(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button class="primary">${restores ? text.restore : text.put}</button>
        <button type="button" onClick=${onClose}>${t().act.cancel}</button>
      </div>
    </form>
  <//>`;
}
