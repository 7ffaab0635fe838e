/** Persons whom an identity provider signs in: access, sessions, roles, renewal; keys; looks; the erasure of a subject. */

import type { Page } from '@playwright/test';
import { expect, key, login, respond, send, signIn, signInBy, test, toProvider } from './steps';

/** What the tab keeps: storage, title, address. */
function kept(page: Page) {
  return page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.title, location.href]),
  );
}

/** The status that a secret gets. */
async function statusOf(secret: string) {
  return (await fetch(`${process.env.VIGIL}/v1/whoami`, { headers: { authorization: `Bearer ${secret}` } })).status;
}

/** Fills in the reason of a dialog, and presses its button. */
async function confirm(page: Page, act: string, reason = 'A test of the screens') {
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Why?').fill(reason);
  await dialog.getByRole('button', { name: act, exact: true }).click();
}

test('an administrator gives access, a nurse acts under her name, and is signed out for good', async ({
  page,
  study,
  browser,
}) => {
  await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  const office = await (await browser.newContext()).newPage();
  await signIn(office, key('admin'), '/configuration/access');
  const field = office.locator('.editor textarea');
  await expect(field).toHaveValue(/grants/);
  const ward = { issuer: process.env.PROVIDER, group: `wards.${study}`, role: 'clinician', study, site: 'S1' };
  // Behind the last grant of the list.
  await field.evaluate((area: HTMLTextAreaElement) => {
    const end = area.value.lastIndexOf('}', area.value.lastIndexOf(']')) + 1;
    area.focus();
    area.setSelectionRange(end, end);
  });
  await office.keyboard.insertText(`, ${JSON.stringify(ward)}`);
  await office.getByRole('button', { name: 'Save…' }).click();
  await confirm(office, 'Put in force', 'The ward of site S1 begins');
  await expect(office.locator('.said')).toContainText('is in force.');

  // The address at which she began is where she arrives; what the provider added to it is gone.
  await signInBy(page, `ada.${study}`, '/inbox?severity=critical');
  await expect(page).toHaveURL(`${process.env.VIGIL}/inbox?severity=critical`);
  for (const words of ['Ada Okafor', 'Clinician', `${study}, site S1`]) {
    await expect(page.locator('.who')).toContainText(words);
  }
  await expect(page.getByRole('navigation')).not.toContainText('People');
  expect(await kept(page)).not.toMatch(/vigil_s_|refresh|code=/);
  const row = page.locator('.row').first();
  await row.getByRole('button', { name: 'Acknowledge' }).click();
  await expect(row).toContainText('by Ada Okafor');
  await row.locator('.row-link').click();
  await expect(page.locator('.history')).toContainText('Acknowledged by Ada Okafor');

  await office.getByRole('link', { name: 'People' }).click();
  const person = office.locator('.people > li').filter({ hasText: `ada.${study}` });
  await expect(person).toContainText('Ada Okafor');
  await expect(person).toContainText(`Clinician, ${study}, site S1`);
  await person.getByRole('button', { name: 'End all sessions of Ada Okafor' }).click();
  await confirm(office, 'End all sessions', 'She has left the ward');
  await expect(office.locator('.said')).toContainText('Ada Okafor is signed out: 1 session ended.');
  await expect(person).toHaveCount(0);

  await page.getByRole('link', { name: 'Silences' }).click();
  await expect(page.locator('#why')).toContainText('Your session has ended');
  await expect(toProvider(page)).toBeVisible();
  await expect(page).toHaveURL(`${process.env.VIGIL}/silences`);
  await expect(page.locator('body')).not.toContainText('Ada Okafor');
  await office.context().close();
});

test('a person signs what she resolves, after she signed in again where that was long ago', async ({ page, study }) => {
  const { alerts } = await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  const place = `/alerts/${alerts[0].alertId}`;
  await signInBy(page, `mei.${study}`, place);
  const resolve = page.getByRole('button', { name: 'Resolve', exact: true });
  const dialog = page.getByRole('dialog');
  const meaning = dialog.getByLabel('What you declare');
  await resolve.click();
  await expect(dialog).toContainText('You sign as Mei Lin.');
  await expect(meaning).toHaveValue('I have reviewed this alert and resolve it.');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.locator('.said')).toContainText('You did not sign it. Nothing was done.');

  // As if she had signed in long ago.
  const problem = { type: 'urn:vigil:problem:signature-required', detail: 'sign in again' };
  await page.route('**/resolve', (route) => route.fulfill({ status: 403, json: problem }), { times: 1 });
  await resolve.click();
  await dialog.getByRole('button', { name: 'Sign', exact: true }).click();
  await expect(dialog).toContainText('the identity provider must ask you again');
  const asked = page.waitForRequest((request) => request.url().includes('code_challenge'));
  await dialog.getByRole('button', { name: 'Sign in again' }).click();
  const { searchParams } = new URL((await asked).url());
  expect([searchParams.get('prompt'), searchParams.get('max_age')]).toEqual(['login', '0']);
  await login(page, `mei.${study}`);
  await expect(page).toHaveURL(`${process.env.VIGIL}${place}`);

  await resolve.click();
  await meaning.fill('我已复核 and spoke to the ward.');
  await dialog.getByRole('button', { name: 'Sign', exact: true }).click();
  await expect(page.locator('.alert-head')).toContainText('Resolved');
  await expect(page.locator('.history')).toContainText('Resolved by Mei Lin');
  await expect(page.locator('.history')).toContainText('Signed: “我已复核 and spoke to the ward.”');
});

test('a provider that is away, a refusal, a person without access, and a forged address are told', async ({
  page,
  study,
}) => {
  await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
  await page.goto(`${process.env.VIGIL}/`);
  await expect(page.locator('.providers')).toContainText('Old directory does not answer at the moment.');
  await toProvider(page).click();
  await page.getByRole('link', { name: '[ Cancel ]' }).click();
  await expect(page.locator('#why')).toContainText('you cancelled');
  await expect(page).toHaveURL(`${process.env.VIGIL}/`);

  await toProvider(page).click();
  await login(page, `stranger.${study}`);
  await expect(page.locator('#why')).toContainText('nobody has given you access to Vigil');

  // The provider knows the person by now, and asks nothing.
  await page.route('**/v1/sessions', (route) => route.fulfill({ status: 503, json: { detail: 'no answer' } }));
  await toProvider(page).click();
  await expect(page.locator('#why')).toContainText('The identity provider does not answer Vigil.');
  await page.unroute('**/v1/sessions');

  const asked: string[] = [];
  page.on('request', (request) => request.method() === 'POST' && asked.push(request.url()));
  await page.goto(`${process.env.VIGIL}/?code=forged&state=forged`);
  await expect(page.locator('#why')).toContainText('was not begun in this tab');
  await expect(page).toHaveURL(`${process.env.VIGIL}/`);
  expect(asked).toEqual([]);
  await expect(page.getByLabel('API key')).toBeVisible();
});

test('a person with two roles uses one at a time, and signing out ends the session', async ({ page, study }) => {
  await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  const secrets: string[] = [];
  page.on('response', async (reply) => {
    const { pathname } = new URL(reply.url());
    if (pathname === '/v1/sessions' && reply.status() === 201) secrets.push((await reply.json()).secret);
  });
  await signInBy(page, `jonas.${study}`, '/inbox');
  const who = page.locator('.who');
  await expect(who).toContainText('Jonas Weber');
  await expect(page.getByRole('button', { name: 'Acknowledge' }).first()).toBeVisible();
  await who.getByRole('button', { name: 'Clinician: use another role' }).click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: `Reader, ${study}` })
    .click();
  await expect(who).toContainText('Reader');
  await expect(page.locator('.row').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Acknowledge' })).toHaveCount(0);
  expect(secrets).toHaveLength(2);
  // The session of the first role is over.
  await expect.poll(() => statusOf(secrets[0] ?? '')).toBe(401);
  expect(await statusOf(secrets[1] ?? '')).toBe(200);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.locator('#why')).toContainText('You are signed out of Vigil.');
  await expect.poll(() => statusOf(secrets[1] ?? '')).toBe(401);
});

test('a session is renewed in time, survives a reload where that was asked for, and ends where it is refused', async ({
  page,
  study,
}) => {
  await page.clock.install();
  const sent: any[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/v1/sessions')) sent.push(request.postDataJSON());
  });
  await page.goto(`${process.env.VIGIL}/inbox`);
  await page.getByLabel('Remember it for this tab').check();
  await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
  await toProvider(page).click();
  await login(page, `mei.${study}`);
  await expect(page.locator('.who')).toContainText('Mei Lin');
  expect(sent).toMatchObject([{ issuer: process.env.PROVIDER, redirectUri: `${process.env.VIGIL}/` }]);
  await page.reload();
  await expect(page.locator('.who')).toContainText('Mei Lin');

  const first = await page.evaluate(() => sessionStorage.getItem('vigil.key'));
  await page.clock.fastForward('14:30');
  await expect.poll(() => sent.length).toBe(2);
  expect(sent[1]).toMatchObject({ refreshToken: expect.any(String) });
  await expect.poll(() => page.evaluate(() => sessionStorage.getItem('vigil.key'))).not.toBe(first);
  await expect(page.locator('.who')).toContainText('Mei Lin');

  const refusal = { status: 401, json: { type: 'unauthenticated', detail: 'the token is refused' } };
  await page.route('**/v1/sessions', (route) => route.fulfill(refusal));
  await page.clock.fastForward('14:30');
  await expect(page.locator('#why')).toContainText('Your session could not be renewed.');
  expect(await kept(page)).not.toContain('vigil_s_');
});

test('a key is shown once, says when it expires, and is withdrawn', async ({ page, study }) => {
  await signIn(page, key('admin'), '/people/keys');
  await page.getByRole('button', { name: 'New key…' }).click();
  await page.getByLabel('What it is for').fill(`EDC of ${study}`);
  await page.getByRole('combobox', { name: 'Role' }).selectOption('read');
  await page.getByLabel('Study').fill(study);
  const soon = new Date(Date.now() + 5 * 86400000).toISOString().slice(0, 10);
  await page.getByLabel('Last day (optional)').fill(soon);
  await page.getByRole('button', { name: 'Create the key' }).click();
  const field = page.getByLabel('The secret of the key');
  await expect(field).toBeFocused();
  const secret = await field.inputValue();
  expect(secret).toMatch(/^vigil_/);
  expect(await statusOf(secret)).toBe(200);
  expect(await kept(page)).not.toContain(secret);
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await expect(page.locator('body')).not.toContainText(secret);
  const listed = page.locator('.people > li').filter({ hasText: `EDC of ${study}` });
  await expect(listed).toContainText('Expires soon');
  await expect(listed).toContainText(`Reader, ${study}`);
  await listed.getByRole('button', { name: 'Withdraw' }).click();
  await confirm(page, 'Withdraw');
  await expect(page.locator('.said')).toContainText('is withdrawn.');
  await expect(listed).toHaveCount(0);
  await expect.poll(() => statusOf(secret)).toBe(401);
});

test('who looked at a subject is seen by those who oversee, with filters in the address', async ({ page, study }) => {
  const { subject, submissionId } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await send('GET', `/v1/submissions/${submissionId}`, undefined, key('clinician', study));
  await signIn(page, key('admin'), `/subjects/${subject}`);
  await page.getByText('Who looked', { exact: true }).click();
  const looks = page.locator('.looks > li');
  const own = looks.filter({ hasText: 'a submission with its answers' }).filter({ hasText: 'dr-lin' });
  await expect(own.first()).toBeVisible();
  await page.getByRole('link', { name: 'People' }).click();
  await page.getByRole('link', { name: 'Looks', exact: true }).click();
  await page.getByLabel('Study').fill(study);
  await page.getByRole('button', { name: 'Apply' }).click();
  await expect(page).toHaveURL(new RegExp(`study=${study}`));
  await expect(own.first()).toBeVisible();
  await own.first().getByRole('link', { name: 'dr-lin' }).click();
  await expect(page).toHaveURL(/actor=dr-lin/);
  await page.getByLabel('Study').fill('NO-SUCH-STUDY');
  await page.getByRole('button', { name: 'Apply' }).click();
  await expect(page.getByText('No look matches these filters')).toBeVisible();
});

test('an administrator erases everything of a subject, and keeps the certificate', async ({ page, study }) => {
  const { subject } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await respond(study, 'P-001', [1, 0, 0, 0, 0, 0, 0, 0, 0]);
  await signIn(page, key('clinician', study), `/subjects/${subject}`);
  await expect(page.locator('.submissions > li')).toHaveCount(2);
  await expect(page.getByRole('button', { name: 'Erase the subject…' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, key('admin'), `/subjects/${subject}`);
  await page.getByRole('button', { name: 'Erase the subject…' }).click();
  const dialog = page.getByRole('dialog');
  const erase = dialog.getByRole('button', { name: 'Erase for good' });
  await dialog.getByLabel('Why?').fill('The patient withdrew consent');
  await dialog.getByLabel('To confirm').fill('xxxx');
  await expect(erase).toBeDisabled();
  await dialog.getByLabel('To confirm').fill(String(subject).slice(-4));
  await erase.click();
  const certificate = page.locator('.certificate');
  await expect(certificate).toContainText('The patient withdrew consent');
  await expect(certificate).toContainText(subject);
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Keep the certificate' }).click();
  expect((await downloading).suggestedFilename()).toContain('erased');
  await page.reload();
  await signIn(page, key('admin'), `/subjects/${subject}`);
  await expect(page.getByText('This subject was erased')).toBeVisible();
  await expect(page.locator('.submissions > li')).toHaveCount(0);
});
