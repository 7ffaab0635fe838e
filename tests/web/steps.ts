/** What all tests share: a page that reports every fault, the data of a study, and a careful look at a screen. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, expect, type Page } from '@playwright/test';
import axe from 'axe-core';
import { firstMessage, key, send, takeStudy } from './app.mjs';
import { LABEL } from './provider.mjs';

export { expect, firstMessage, key, send };

const PICTURES = join(import.meta.dirname, 'pictures');

/** The refusals that a test provokes. The browser's console names every one. */
const PROVOKED = /Failed to load resource: .*(40[134]|41[02]|422|503|ERR_INTERNET_DISCONNECTED)/;

export const test = base.extend<{ study: string; page: Page }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright asks for it.
  study: async ({}, use) => use(takeStudy()),
  page: async ({ page }, use) => {
    const faults: string[] = [];
    // The page of an identity provider has rules of its own.
    const elsewhere = () => page.url().startsWith(`${process.env.PROVIDER}/`);
    page.on('pageerror', (error) => faults.push(`thrown: ${error.message}`));
    page.on('console', (message) => {
      const serious = message.type() === 'error' || message.type() === 'warning';
      if (serious && !elsewhere() && !PROVOKED.test(message.text())) faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const going = request.isNavigationRequest() && request.url().startsWith(`${process.env.PROVIDER}/`);
      if (!going && !elsewhere() && !request.url().startsWith(`${process.env.VIGIL}/`))
        faults.push(`foreign: ${request.url()}`);
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
      );
    });
    await use(page);
    expect(faults).toEqual([]);
  },
});

/** The language that the browser asks for. */
export function isChinese(): boolean {
  return test.info().project.use.locale?.startsWith('zh') ?? false;
}

/** The text in the language of the test. */
export function say(en: string, zh: string): string {
  return isChinese() ? zh : en;
}

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Lists the elements that reach beyond the window, the innermost ones, unless the window is as wide as the document. */
function tooWide(page: Page) {
  return page.evaluate(() => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    const beyond = (element: Element) => element.getBoundingClientRect().right > innerWidth;
    const all = [...document.body.querySelectorAll('*')].filter(beyond);
    return all.filter((one) => ![...one.children].some(beyond)).map((one) => one.outerHTML.slice(0, 200));
  });
}

/** Lists the violations that axe finds in a document. It has no frames, so axe runs in it, and is added to it once. */
async function violations(page: Page) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
  return page.evaluate(async (values) => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const options = { runOnly: { type: 'tag' as const, values }, resultTypes: ['violations' as const], preload: false };
    const { violations } = await axe.run(document, options);
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
  }, RULES);
}

/** Axe finds nothing, and a picture is taken for whoever changes the screen. */
export async function look(page: Page, name: string) {
  await page.mouse.move(0, 0);
  expect(await violations(page), name).toEqual([]);
  expect(await tooWide(page), `${name} is wider than the window`).toEqual([]);
  const folder = join(PICTURES, test.info().project.name);
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' });
}

export async function signIn(page: Page, bearer: string, path = '/') {
  await page.goto(`${process.env.VIGIL}${path}`);
  await page.getByLabel(say('API key', 'API 密钥')).fill(bearer);
  await page.getByRole('button', { name: say('Sign in', '登录') }).click();
  await expect(page.locator('.who')).toBeVisible();
}

/** Opens the menu, if the window is narrow: whether it is. */
export async function openMenu(page: Page) {
  const button = page.locator('.menu-button');
  const narrow = await button.isVisible();
  if (narrow) await button.click();
  return narrow;
}

/** Goes to a screen of the bar. */
export async function goTo(page: Page, name: string) {
  await openMenu(page);
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
}

export async function signOut(page: Page) {
  await openMenu(page);
  await page.getByRole('button', { name: say('Sign out', '退出') }).click();
}

/** Comes back to the tab: the inbox looks at once, and not only when its next look is due. */
export async function comeBack(page: Page) {
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
}

/** The button that leads to the identity provider. */
export function toProvider(page: Page) {
  return page.getByRole('button', { name: say(`Continue with ${LABEL}`, `使用 ${LABEL} 继续`) });
}

/** Says at the provider who one is. */
export async function login(page: Page, who: string) {
  await page.getByPlaceholder('Enter any login').fill(who);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
}

/** Signs in by the identity provider, at the address of a screen. */
export async function signInBy(page: Page, who: string, path = '/') {
  // Its sign-in page asks for a font.
  await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
  await page.goto(`${process.env.VIGIL}${path}`);
  await toProvider(page).click();
  await login(page, who);
  await expect(page.locator('.who')).toBeVisible();
}

/** Sends a PHQ-9 response with these answers; gives the submission once it is scored. */
export async function respond(study: string, patient: string, answers: number[], site = 'S1', ago = 0) {
  const items = Object.fromEntries(answers.map((answer, item) => [`q${item + 1}`, answer]));
  const authoredAt = new Date(Date.now() - ago * 86400000).toISOString();
  const body = { studyId: study, siteId: site, patientId: patient, authoredAt, answers: items };
  return scored(await send('POST', '/v1/surveys/phq-9/responses', body));
}

/** Sends a report; gives the submission once it is scored. */
export async function report(study: string, patient: string, kind: string, data: unknown, site = 'S1') {
  const body = { studyId: study, siteId: site, patientId: patient, kind, authoredAt: new Date().toISOString(), data };
  return scored(await send('POST', '/v1/reports', body));
}

async function scored({ submissionId }: { submissionId: string }): Promise<any> {
  for (;;) {
    const shown = await send('GET', `/v1/submissions/${submissionId}`);
    const settled = shown.alerts?.every((alert: { state: string }) => alert.state !== 'pending');
    if (shown.state !== 'queued' && settled) return shown;
    await new Promise((later) => setTimeout(later, 100));
  }
}

/** Alerts of every severity, of two sites. */
export async function fill(study: string) {
  const worried = await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1], 'S1');
  await respond(study, 'P-002', [3, 3, 3, 3, 2, 3, 2, 2, 0], 'S1');
  await respond(study, 'P-003', [2, 2, 2, 2, 2, 2, 2, 2, 0], 'S2');
  await respond(study, 'P-004', [3, 2, 3, 3, 2, 3, 2, 2, 2], 'S2');
  return worried;
}

/** An alert that its receiver refuses: it becomes a dead letter. */
export async function refused(study: string) {
  const body = { studyId: study, siteId: 'S1', patientId: 'P-007', authoredAt: new Date().toISOString() };
  return scored(await send('POST', '/v1/surveys/phq-2/responses', { ...body, answers: { q1: 3, q2: 3 } }));
}

/** Sends so many adverse events that each raise a critical alert, and waits until all of them are there. */
export async function flood(study: string, count: number) {
  const data = { term: 'Febrile neutropenia', onset: '2026-11-25', ongoing: true, grade: 4, serious: false };
  const rest = { relatedness: 'probable', outcome: 'not-recovered', actionTaken: 'none' };
  const authoredAt = new Date().toISOString();
  const row = (_: unknown, number: number) => ({
    ...{ studyId: study, siteId: `S${number % 5}`, patientId: `F-${number}`, kind: 'adverse-event', authoredAt },
    data: { ...data, ...rest },
  });
  await send('POST', '/v1/reports/batch', Array.from({ length: count }, row));
  await expect(async () => {
    const { counts } = await send('GET', `/v1/alerts?study=${study}&limit=1&include=counts`);
    const all = Object.values(counts ?? {}).flatMap((by) => Object.values(by as object));
    expect(all.reduce((sum, some) => sum + some, 0)).toBe(count);
  }).toPass({ timeout: 30_000 });
}
