/**
 * Starts the application itself, `cargo run` with a Redis and a folder of its own, for all tests of a run. Each test takes a
 * study of its own, whose keys see nothing of the others.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { AWAY, entryOf, grantsOf, startProvider } from './provider.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'target/web');
const TAKEN = join(FOLDER, 'taken');
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw0000000000o=';
const STUDIES = Array.from({ length: 120 }, (_, number) => `ONC-${number + 101}`);

/**
 * The key of a role, for a study or for all.
 * @param {string} role
 */
export function key(role, study = '*') {
  return `key-of-${role}-for-${study === '*' ? 'all' : study}`;
}

/** @param {string} role @param {string} study */
function entry(role, study) {
  const sha256 = createHash('sha256').update(key(role, study)).digest('hex');
  const person = { clinician: 'dr-lin', coordinator: 'coordinator' }[role] ?? 'monitor';
  const id = study === '*' ? role : [person, study.split('-')[1]].filter(Boolean).join('-');
  return { id, role, study, site: '*', sha256 };
}

const KEYS = [
  ...['admin', 'operator', 'submit', 'auditor'].map((role) => entry(role, '*')),
  ...[...STUDIES, 'DEMO'].flatMap((study) => ['clinician', 'read', 'coordinator'].map((role) => entry(role, study))),
];

/** Takes a study that no other test has. */
export function takeStudy() {
  for (const study of STUDIES) {
    try {
      closeSync(openSync(join(TAKEN, study), 'wx'));
      return study;
    } catch {
      // Another test has it.
    }
  }
  throw new Error('more tests than studies');
}

/**
 * Sends a request with a key, and fails unless it is answered well.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function send(method, path, body, bearer = key('admin')) {
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
  const reply = await fetch(`${process.env.VIGIL}${path}`, { method, headers, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

/** @type {import('node:child_process').ChildProcess | undefined} */
let vigil;

/** Receivers of alerts: `/pager` is out of order, `/tablet` refuses what it gets, the others take it. */
const STATUS = { '/pager': 503, '/tablet': 400 };

/** The messages of each study: when they came, and their links. @type {Map<string, { at: number, link?: string }[]>} */
const messages = new Map();

const receivers = createServer(async (request, reply) => {
  const at = Date.now();
  if (request.method === 'GET') return void reply.end(JSON.stringify(messages.get(request.url?.slice(1) ?? '') ?? []));
  const text = Buffer.concat(await request.toArray()).toString();
  const { studyId, link } = JSON.parse(text).data ?? {};
  if (studyId) messages.set(studyId, [...(messages.get(studyId) ?? []), { at, link }]);
  reply.writeHead(Object.entries(STATUS).find(([path]) => path === request.url)?.[1] ?? 204).end();
});

/**
 * The first message of a study that has a link, once it is there.
 * @param {string} study
 * @returns {Promise<{ at: number, link: string }>}
 */
export async function firstMessage(study) {
  for (;;) {
    const all = await (await fetch(`${process.env.RECEIVERS}/${study}`)).json();
    const found = all.find((/** @type {{ link?: string }} */ { link }) => link);
    if (found) return found;
    await new Promise((later) => setTimeout(later, 20));
  }
}

/** The documents that tests need: who is told of alerts and of events, who may what. */
async function documents() {
  receivers.listen(0, '127.0.0.1');
  await new Promise((listening) => receivers.once('listening', listening));
  const { port } = /** @type {import('node:net').AddressInfo} */ (receivers.address());
  process.env.RECEIVERS = `http://127.0.0.1:${port}`;
  // Of one study, of which few tests tell: every message would take time from the others.
  const subscription = { id: 'scores-to-edc', studies: ['TOLD'], events: ['submission.scored'], receiver: 'edc' };
  /** @param {string} name */
  const receiver = (name) => ({
    channel: 'webhook',
    url: `${process.env.RECEIVERS}/${name}`,
    secrets: [SECRET],
  });
  const names = ['ward-desk', 'pager', 'study-nurse', 'tablet'];
  const routes = { critical: ['ward-desk', 'pager'], high: ['ward-desk'], moderate: ['study-nurse'], info: ['tablet'] };
  return {
    'alert-routes': {
      receivers: Object.fromEntries(names.map((name) => [name, receiver(name)])),
      defaults: { routes, groupSeconds: 0 },
      link: { baseUrl: process.env.VIGIL },
    },
    access: { grants: grantsOf(process.env.PROVIDER ?? '', [...STUDIES, 'DEMO']) },
    subscriptions: { receivers: { edc: receiver('edc') }, subscriptions: [subscription] },
  };
}

/** @type {Awaited<ReturnType<typeof startProvider>> | undefined} */
let provider;

/** Starts the application. Playwright calls it once. */
export default async function start() {
  // Somebody who changes the screens runs it beside: `node app.mjs`.
  if (process.env.VIGIL) return undefined;
  mkdirSync(FOLDER, { recursive: true });
  // What was compiled to machine code is kept.
  for (const name of readdirSync(FOLDER)) if (name !== 'cache') rmSync(join(FOLDER, name), { recursive: true });
  mkdirSync(TAKEN);
  provider = await startProvider(() => process.env.VIGIL);
  const { issuer } = provider;
  process.env.PROVIDER = issuer;
  const command = ['run', '--', '--quiet', '--listen', '127.0.0.1:0', '--state-dir', FOLDER];
  const variables = {
    SPIN_VARIABLE_API_KEYS: JSON.stringify(KEYS),
    SPIN_VARIABLE_ALERT_ROUTES: '{}',
    SPIN_VARIABLE_OIDC: JSON.stringify([entryOf(issuer), AWAY]),
    SPIN_VARIABLE_OIDC_GRANT: issuer,
    SPIN_VARIABLE_LOG_KEY: Buffer.alloc(32, 7).toString('base64'),
  };
  const options = { cwd: ROOT, env: { ...process.env, ...variables } };
  const child = spawn('cargo', command, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  vigil = child;
  process.env.VIGIL = await new Promise((ready, failed) => {
    let said = '';
    child.stdout?.on('data', (chunk) => {
      said += chunk;
      const address = /ready on (http:\S+)/.exec(said);
      if (address?.[1]) ready(address[1]);
    });
    child.once('exit', (code) => failed(new Error(`cargo run ended with ${code}: ${said}`)));
  });
  for (const [name, document] of Object.entries(await documents())) await send('PUT', `/v1/config/${name}`, document);
  return stop;
}

async function stop() {
  const ended = new Promise((exit) => vigil?.once('exit', exit));
  vigil?.kill('SIGTERM');
  await ended;
  receivers.close();
  receivers.closeAllConnections();
  provider?.stop();
}

if (process.argv[1] === import.meta.filename) {
  await start();
  const { VIGIL, PROVIDER, RECEIVERS } = process.env;
  console.log(`VIGIL=${VIGIL} PROVIDER=${PROVIDER} RECEIVERS=${RECEIVERS}, ${key('admin')}`);
  process.once('SIGINT', stop);
}
