/**
 * An identity provider for the tests: a real one (OpenID Certified `oidc-provider`) on a free port, whose sign-in page takes any
 * password. What stands before the dot of a login says who it is, what follows says of which study: `mei.ONC-101`.
 */

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

/** The client that the screens are. It is public: it proves by PKCE that a code is its own. */
export const CLIENT = 'vigil-screens';
export const LABEL = 'Ward directory';
/** Nobody listens there: a provider that is away. */
export const AWAY = { issuer: 'http://127.0.0.1:9', label: 'Old directory', clientId: CLIENT };

/** The persons, with the groups that each is in. @type {Record<string, { name: string, groups: string[] }>} */
const PERSONS = {
  mei: { name: 'Mei Lin', groups: ['nurses'] },
  jonas: { name: 'Jonas Weber', groups: ['nurses', 'monitors'] },
  ada: { name: 'Ada Okafor', groups: ['wards'] },
  stranger: { name: 'Sam Stranger', groups: [] },
};

/** @param {string} login */
function account(login) {
  const [who = '', study = ''] = login.split('.');
  const { name, groups } = PERSONS[who] ?? { name: login, groups: [] };
  const claims = { sub: login, name, groups: groups.map((group) => `${group}.${study}`) };
  return { accountId: login, claims: () => claims };
}

/**
 * The grants of these groups that tests find: nurses of a site, monitors of a study.
 * @param {string} issuer
 * @param {string[]} studies
 */
export function grantsOf(issuer, studies) {
  return studies.flatMap((study) => [
    { issuer, group: `nurses.${study}`, role: 'clinician', study, site: 'S1' },
    { issuer, group: `monitors.${study}`, role: 'read', study, site: '*' },
  ]);
}

/** What Vigil must know of it. @param {string} issuer */
export function entryOf(issuer) {
  const names = { issuer, label: LABEL, clientId: CLIENT };
  return { ...names, algorithms: ['ES256'], groupsClaim: 'groups', scope: 'openid profile groups' };
}

/** A key to sign with. */
function jwks() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'tests' }] };
}

/**
 * Starts it.
 * @param {() => string | undefined} home The address of the screens: it is known once they have started.
 * @returns {Promise<{ issuer: string, stop: () => void }>}
 */
export async function startProvider(home) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const issuer = `http://127.0.0.1:${port}`;
  // Here, so that only whoever starts it loads it.
  // @ts-expect-error: it has no types.
  const { Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT,
        redirect_uris: ['http://127.0.0.1/'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'ES256',
        // Vigil wants to know when a person who signs something has authenticated.
        require_auth_time: true,
      },
    ],
    scopes: ['openid', 'profile', 'groups', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
    // Vigil reads the ID token, and asks nothing more.
    conformIdTokenClaims: false,
    jwks: jwks(),
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    cookies: { keys: ['the cookies of a provider for tests'] },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: false } },
    pkce: { required: () => true },
    findAccount: (/** @type {unknown} */ _, /** @type {string} */ login) => account(login),
    // The client is the house's own: nobody is asked whether it may know a name.
    async loadExistingGrant(/** @type {any} */ { oidc }) {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid profile groups offline_access');
      await grant.save();
      return grant;
    },
    issueRefreshToken: async () => true,
    ttl: { AccessToken: 600, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  });
  const { Client } = /** @type {any} */ (provider);
  Client.prototype.redirectUriAllowed = (/** @type {string} */ uri) => uri === `${home()}/`;
  server.on('request', provider.callback());
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { issuer, stop };
}
