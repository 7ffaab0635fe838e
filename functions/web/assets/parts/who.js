/** Who is signed in: the role and what it covers, the person or the key; and another role, for whoever has several. */

import { identityProviders } from '../api-access.js';
import { leave, take } from '../provider.js';
import { address, go } from '../router.js';
import { session } from '../session.js';
import { t } from '../text.js';
import { html, useState } from '../ui.js';
import { Dialog, say, sayWhy } from './act.js';

/**
 * @typedef {import('../session.js').Grant} Grant
 * @typedef {import('../session.js').Holder} Holder
 */

/**
 * The scope of a role, in words.
 * @param {Pick<Grant, 'study' | 'site'>} grant
 */
export function whereOf({ study, site }) {
  const text = t().who;
  return study === '*' ? text.allStudies : site === '*' ? study : text.where(study, site);
}

/**
 * A role in words.
 * @param {string} role
 */
export function roleOf(role) {
  return t().who.roles[role] ?? role;
}

/** @param {{ who: Holder }} props */
export function Who({ who }) {
  const [choosing, setChoosing] = useState(false);
  const text = t().persons;
  const role = roleOf(who.role);
  const several = (who.grants?.length ?? 0) > 1;
  return html`<p class="who">
      <span class="unseen">${t().who.signedIn}</span>
      <strong>
        ${
          several
            ? html`<button type="button" class="plain who-role" aria-haspopup="dialog" aria-label=${text.changeOf(role)}
              onClick=${() => setChoosing(true)}>${role}</button>`
            : role
        }
      </strong>
      <span>${whereOf(who)}</span> <span class="who-key">${who.person?.name ?? who.label ?? who.keyId}</span>
    </p>
    ${choosing && html`<${Choose} who=${who} onClose=${() => setChoosing(false)} />`}`;
}

/** @param {{ who: Holder, onClose: () => void }} props The roles of a person: one is in use. */
function Choose({ who, onClose }) {
  const text = t().persons;
  const [busy, setBusy] = useState(false);
  const renewal = session.use()?.renewal;
  const again = !renewal?.refreshToken;
  /** @param {number} n */
  const choose = async (n) => {
    setBusy(true);
    try {
      if (again) {
        const provider = (await identityProviders()).find(({ issuer }) => issuer === renewal?.issuer);
        if (provider?.authorizationEndpoint) {
          // It leads back to the first screen: the other role may not see this one.
          go(address('/'), { replace: true });
          return await leave(provider, { remember: session.value?.remember ?? false, grant: n });
        }
        say(t().why.away, true);
      } else {
        await take(n);
        go(address('/'));
      }
    } catch (error) {
      sayWhy(error);
    }
    setBusy(false);
    onClose();
  };
  return html`<${Dialog} title=${text.change} onClose=${onClose}>
    <p>${again ? text.changeAgain : text.changeHelp}</p>
    <ul class="grants">
      ${(who.grants ?? []).map(
        (grant, n) => html`<li key=${n}>
          <button type="button" disabled=${busy || n === who.grant} aria-current=${n === who.grant ? 'true' : null} onClick=${() => choose(n)}>
            ${text.grant(roleOf(grant.role), whereOf(grant))}${n === who.grant && ` (${text.inUse})`}
          </button>
        </li>`,
      )}
    </ul>
    <div class="buttons"><button type="button" class="plain" onClick=${onClose}>${t().act.cancel}</button></div>
  <//>`;
}
