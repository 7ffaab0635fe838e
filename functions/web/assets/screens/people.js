/** People and keys: who is signed in by an identity provider, which keys there are, who looked at what. */

import { endSession, endSessions, sessions } from '../api-access.js';
import { Due, When } from '../formats.js';
import { say, sayWhy } from '../parts/act.js';
import { Keys } from '../parts/api-keys.js';
import { ReasonDialog } from '../parts/ask.js';
import { AllLooks } from '../parts/looks.js';
import { Failure, Loading, Notice, Stale } from '../parts/pages.js';
import { roleOf, whereOf } from '../parts/who.js';
import { address, place } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useEffect, useLoaded, useState } from '../ui.js';

/**
 * @typedef {import('../api-access.js').OpenSession} OpenSession
 * @typedef {{ issuer: string, subject: string, name: string, sessions: OpenSession[] }} Person
 * @typedef {{ person: Person, one?: OpenSession }} Ending What is to be ended: all sessions of a person, or one.
 */

const PERIOD = 10000;

/** The parts of the screen, by the second part of the address. */
const VIEWS = /** @type {const} */ ([
  ['', 'sessions'],
  ['keys', 'keys'],
  ['looks', 'looks'],
]);

export function PeopleScreen() {
  const { id } = place.use();
  const may = session.use()?.may;
  const text = t().people;
  return html`<article class="stack">
    <div class="screen-head"><h1 tabindex="-1">${text.title}</h1></div>
    <nav class="views people-views" aria-label=${text.views}>
      ${VIEWS.map(
        ([view, name]) =>
          html`<a href=${address(view ? `/people/${view}` : '/people')} aria-current=${view === id ? 'page' : null}>${text[name]}</a>`,
      )}
      ${may?.configure && html`<a href=${address('/configuration/access')}>${text.grants}</a>`}
    </nav>
    ${id === '' && html`<${Sessions} />`}
    ${id === 'keys' && html`<${Keys} />`}
    ${id === 'looks' && html`<${AllLooks} />`}
    ${VIEWS.every(([view]) => view !== id) && html`<${Notice} title=${t().state_of.missing} help=${t().state_of.missingHelp} />`}
  </article>`;
}

/**
 * Persons with their sessions, by name.
 * @param {OpenSession[]} open
 * @returns {Person[]}
 */
function personsOf(open) {
  /** @type {Map<string, Person>} */
  const found = new Map();
  for (const one of open) {
    const { issuer, subject, name } = one;
    const key = `${issuer} ${subject}`;
    const person = found.get(key) ?? { issuer, subject, name, sessions: [] };
    person.sessions.push(one);
    found.set(key, person);
  }
  return [...found.values()].sort((one, other) => one.name.localeCompare(other.name));
}

function Sessions() {
  const text = t().people;
  const { data, error, again } = useLoaded(sessions, []);
  const [asking, setAsking] = useState(/** @type {Ending | null} */ (null));
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), PERIOD);
    return () => clearInterval(timer);
  }, []);
  /** @param {string} reason */
  const finish = async (reason) => {
    if (!asking) return;
    const { person, one } = asking;
    try {
      if (one) {
        await endSession(one.sessionId, reason);
        say(text.endedOne(person.name));
      } else {
        const { ended } = await endSessions(person, reason);
        say(text.ended(person.name, ended));
      }
    } catch (error) {
      sayWhy(error);
    }
    setAsking(null);
    again();
  };
  const persons = personsOf(data?.entries ?? []);
  return html`<section class="panel">
    <h2>${text.sessions}</h2>
    <p class="quiet">${text.sessionsHelp}</p>
    ${error && !data && html`<${Failure} error=${error} again=${again} />`}
    ${error && data && html`<${Stale} error=${error} again=${again} />`}
    ${!data && !error && html`<${Loading} label=${text.loading} />`}
    ${data && !persons.length && html`<${Notice} title=${text.none} help=${text.noneHelp} />`}
    <ul class="people">
      ${persons.map((person) => html`<${OnePerson} key=${`${person.issuer} ${person.subject}`} person=${person} ask=${setAsking} />`)}
    </ul>
    ${data?.more && html`<p class="quiet">${text.many}</p>`}
    ${
      asking &&
      html`<${ReasonDialog}
        title=${asking.one ? text.endOneOf(asking.person.name, grantOf(asking.one)) : text.endOf(asking.person.name)}
        about=${(asking.one ? text.endOneHelp : text.endHelp)(asking.person.name)}
        act=${(asking.one ? text.endOne : text.end).replace('…', '')}
        run=${finish}
        onClose=${() => setAsking(null)}
      />`
    }
  </section>`;
}

/** @param {import('../session.js').Grant} grant The role of a session and what it covers, in words. */
function grantOf(grant) {
  return t().persons.grant(roleOf(grant.role), whereOf(grant));
}

/** @param {{ person: Person, ask: (ending: Ending) => void }} props */
function OnePerson({ person, ask }) {
  const text = t().people;
  const current = session.use();
  const { issuer, subject, name } = person;
  const own = current?.who.person;
  return html`<li>
    <div class="people-head">
      <h3>${name}${own?.issuer === issuer && own.subject === subject && html` <span class="quiet">(${text.me})</span>`}</h3>
      ${
        current?.may.configure &&
        html`<button type="button" aria-label=${text.endOf(name)} onClick=${() => ask({ person })}>${text.end}</button>`
      }
    </div>
    <p class="quiet"><code>${subject}</code> · ${text.provider} ${hostOf(issuer)}</p>
    <ul class="plain-list">
      ${person.sessions.map(
        (one) => html`<li key=${one.sessionId} class="one-session">
          <span>
            ${grantOf(one)}${one.sessionId === current?.who.sessionId && html` <span class="quiet">(${text.thisOne})</span>`}
            <span class="quiet"> · ${text.since} <${When} time=${one.beganAt} /> · ${text.until} <${Due} time=${one.expiresAt} /></span>
          </span>
          ${
            current?.may.grant &&
            html`<button type="button" class="plain" aria-label=${text.endOneOf(name, grantOf(one))} onClick=${() => ask({ person, one })}>
              ${text.endOne}
            </button>`
          }
        </li>`,
      )}
    </ul>
  </li>`;
}

/** @param {string} issuer The provider, as a person knows it. */
function hostOf(issuer) {
  try {
    return new URL(issuer).host;
  } catch {
    return issuer;
  }
}
