/** What does not depend on language, width and colours: headers, budget, the session, keys, addresses. */

import { request as http } from 'node:http';
import type { Page } from '@playwright/test';
import { expect, fill, flood, key, respond, send, signIn, test } from './steps';

/** The hash is that of the style sheet of pages to print. */
const POLICY =
  /^default-src 'none'; script-src 'self'; style-src 'self' 'sha256-[^ ']{44}'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'$/;

/** A request as it is, without what a browser or `fetch` adds. */
function raw(method: string, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; length: number }>((answer, failed) => {
    const request = http(`${process.env.VIGIL}${path}`, { method, headers }, (reply) => {
      let length = 0;
      reply.on('data', (chunk) => {
        length += chunk.length;
      });
      reply.on('end', () => answer({ status: reply.statusCode ?? 0, headers: reply.headers, length }));
    });
    request.on('error', failed).end();
  });
}

test('the page is asked for each time, its files are kept for ever, and both are compressed', async () => {
  const page = await raw('GET', '/inbox', { 'accept-encoding': 'gzip, br' });
  expect(page.status).toBe(200);
  expect(page.headers).toMatchObject({
    'content-security-policy': expect.stringMatching(POLICY),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    'content-encoding': 'br',
    'content-length': String(page.length),
    vary: 'accept-encoding',
  });
  const tag = String(page.headers.etag);
  const same = await raw('GET', '/', { 'if-none-match': tag });
  expect([same.status, same.length, same.headers.etag]).toEqual([304, 0, tag]);
  expect((await raw('GET', '/', { 'if-none-match': '"other"' })).status).toBe(200);
  const head = await raw('HEAD', '/', { 'accept-encoding': 'br' });
  expect([head.status, head.length, head.headers['content-length']]).toEqual([200, 0, String(page.length)]);

  const html = await (await fetch(`${process.env.VIGIL}/`)).text();
  const script = /src="([^"]+app\.js)"/.exec(html)?.[1] ?? '';
  for (const [asked, given] of [
    ['br', 'br'],
    ['gzip', 'gzip'],
    ['identity', undefined],
  ]) {
    const file = await raw('GET', script, { 'accept-encoding': asked ?? '' });
    expect(file.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(file.headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(file.headers['content-encoding']).toBe(given);
    expect(file.headers['content-length']).toBe(String(file.length));
  }
});

test('an unknown file is 404, an unknown screen is 404 with the page, and only reading is allowed', async () => {
  expect((await raw('GET', '/assets/0000000000000000/app.js')).status).toBe(404);
  expect((await raw('GET', '/assets/..%2f..%2fCargo.toml')).status).toBe(404);
  const unknown = await raw('GET', '/wp-login.php');
  expect([unknown.status, unknown.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8']);
  const post = await raw('POST', '/inbox');
  expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD']);
  // What is below the API's roots answers with a problem document.
  expect((await raw('GET', '/v1/inbox')).headers['content-type']).toBe('application/problem+json');
});

test('no cookie is set, so a foreign page can do nothing in the name of who is signed in', async ({ page, study }) => {
  await signIn(page, key('clinician', study));
  expect(await page.context().cookies()).toEqual([]);
  const { alerts } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const foreign = await raw('POST', `/v1/alerts/${alerts[0].alertId}/acknowledge`, { origin: 'https://evil.example' });
  expect(foreign.status).toBe(401);
});

test('the first load is at most 100 KB', async ({ page, study }) => {
  await fill(study);
  let bytes = 0;
  page.on('response', async (reply) => {
    // Nobody is asked what the key may not.
    expect(reply.status()).toBeLessThan(400);
    bytes += Number(reply.headers()['content-length'] ?? 0);
  });
  const began = Date.now();
  await page.goto(`${process.env.VIGIL}/`);
  await page.getByLabel('API key').waitFor();
  console.log(`first load: ${bytes} bytes, ${Date.now() - began} ms to the field`);
  await page.getByLabel('API key').fill(key('clinician', study));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.locator('.row')).toHaveCount(5);
  console.log(`with the inbox: ${bytes} bytes`);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(100_000);
});

/** What the tab keeps: storage, title, address. */
function kept(page: Page) {
  return page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.title, location.href, document.cookie]),
  );
}

test('after signing out, "back" shows nothing, and nothing is kept', async ({ page, study }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  await page.locator('.row-link').first().click();
  await expect(page.locator('.answers')).toBeVisible();
  await page.getByRole('button', { name: 'Who is it?' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).not.toContainText('P-00');
  // Who looks says why, and that stands in the record of the look.
  await expect(dialog.getByRole('button', { name: 'Show the patient’s id' })).toBeDisabled();
  await dialog.getByLabel('Why do you look?').fill('The ward asks 复查');
  await dialog.getByRole('button', { name: 'Show the patient’s id' }).click();
  await expect(dialog).toContainText('P-00');
  const { looks } = await send('GET', `/v1/access?study=${study}`);
  expect(looks.filter(({ reason }: { reason?: string }) => reason === 'The ward asks 复查')).toHaveLength(1);
  expect(await kept(page)).not.toMatch(/better off dead|P-00|key-of/);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(page.locator('body')).not.toContainText('P-00');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goBack();
  await expect(page.getByLabel('API key')).toBeVisible();
  await expect(page.locator('.row, .answers')).toHaveCount(0);
  expect(await kept(page)).not.toContain('key-of');
  await page.goForward();
  await expect(page.getByLabel('API key')).toBeVisible();
});

test('a key is forgotten on reload, unless the person asks to remember it', async ({ page, study }) => {
  await signIn(page, key('clinician', study));
  await page.reload();
  await page.getByLabel('API key').fill(key('clinician', study));
  await page.getByLabel('Remember it for this tab').check();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.reload();
  await expect(page.getByLabel('API key')).toBeVisible();
});

test('a wrong key is refused, and one for sending sees no alerts', async ({ page }) => {
  await page.goto(`${process.env.VIGIL}/`);
  await page.getByLabel('API key').fill('nobody');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('This key is not valid');
  await signIn(page, key('submit'));
  await expect(page.getByRole('navigation')).not.toContainText('Inbox');
  await expect(page.getByRole('navigation')).toContainText('Instruments');
});

test('every act of the inbox works from the keyboard', async ({ page, study }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  const rows = page.locator('.row');
  await expect(rows).toHaveCount(5);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('Next alert');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await expect(rows.nth(1).locator('.row-link')).toBeFocused();
  await page.keyboard.press('a');
  await expect(rows.nth(1)).toContainText('Acknowledged');
  await page.keyboard.press('r');
  await expect(page.getByLabel('Note (optional)')).toBeFocused();
  await page.keyboard.type('Seen at the ward.');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(rows.nth(1)).toContainText('Resolved');
  await expect(rows.nth(1).locator('.row-link')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('.history')).toContainText('Seen at the ward.');
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
  await page.goBack();
  await expect(page.locator('#main')).toBeFocused();
  await page.keyboard.press('/');
  await expect(page.getByLabel('State')).toBeFocused();
});

test('filters and language are in the address, and "back" leads to them', async ({ page, study }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  await page.getByLabel('Severity').selectOption('high');
  await page.getByLabel('Site').fill('S2');
  await page.getByLabel('Site').press('Enter');
  await expect(page.locator('.row')).toHaveCount(1);
  await expect(page).toHaveURL(/severity=high&site=S2|site=S2&severity=high/);
  await page.locator('.row-link').click();
  await expect(page.locator('.alert')).toBeVisible();
  await page.goBack();
  await expect(page.locator('.row')).toHaveCount(1);
  await page.getByLabel('Language').selectOption('zh');
  await expect(page).toHaveURL(/lang=zh/);
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('未处理的警报');
});

test('"back" leads to the row that was opened', async ({ page, study }) => {
  await fill(study);
  await page.setViewportSize({ width: 390, height: 500 });
  await signIn(page, key('clinician', study));
  await expect(page.locator('.row-told').last()).toContainText('study-nurse');
  const last = page.locator('.row-link').last();
  await last.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  expect(before).toBeGreaterThan(100);
  await last.click();
  await expect(page.locator('.alert')).toBeVisible();
  expect(await page.evaluate(() => scrollY)).toBe(0);
  await page.goBack();
  await expect(last).toBeVisible();
  await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(before - 50);
});

test('a long inbox is read in pieces, and nothing is left out or twice', async ({ page, study }) => {
  await flood(study, 450);
  await signIn(page, key('clinician', study));
  const rows = page.locator('.row');
  const more = page.getByRole('button', { name: 'Show up to 100 more' });
  await expect(rows).toHaveCount(100);
  await expect(page.getByText('450 alerts, 450 critical')).toBeVisible();
  for (const count of [200, 300, 400, 450]) {
    await more.click();
    await expect(rows).toHaveCount(count);
  }
  await expect(more).toHaveCount(0);
  const links = await page.locator('.row-link').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  expect(new Set(links).size).toBe(450);
  await expect(page.locator('.news button')).toHaveCount(0);
});

test('somebody else acknowledges: the row changes where it stands', async ({ page, study }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  const rows = page.locator('.row');
  await expect(rows).toHaveCount(5);
  const id = (await rows.nth(2).locator('.row-link').getAttribute('href'))?.split('/').pop();
  await send('POST', `/v1/alerts/${id}/acknowledge`, {}, key('clinician', study));
  await expect(rows.nth(2)).toContainText('Acknowledged');
  await expect(rows).toHaveCount(5);
});
