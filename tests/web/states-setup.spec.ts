/** What instruments, configuration and batch show when there is nothing, when the key may not, and without a connection. */

import { expect, key, look, say, send, signIn, test } from './steps';

const MISSING = () => say('There is nothing here', '这里什么也没有');
const OFFLINE = () => say('No connection', '无法连接');

test('instruments load, cannot be reached, and are not found', async ({ page, study, context }) => {
  await page.route('**/v1/instruments', () => undefined);
  await signIn(page, key('clinician', study), '/instruments');
  await expect(page.locator('.bone').first()).toBeVisible();
  await look(page, '40-instruments-loading');
  await page.unroute('**/v1/instruments');

  await signIn(page, key('clinician', study), '/instruments/no-such-scale');
  await expect(page.getByText(MISSING())).toBeVisible();
  await look(page, '41-instrument-missing');
  await page.getByRole('link', { name: say('All instruments', '全部量表') }).click();
  await page.getByLabel(say('Search', '搜索')).fill('nothing of that kind');
  await expect(page.getByText(say('No instrument matches', '没有匹配的量表'))).toBeVisible();
  await look(page, '42-instruments-no-match');

  // Whoever may not send definitions is told so.
  await page.getByLabel(say('Search', '搜索')).fill('gad-7');
  await page.locator('.library a').click();
  await page.getByRole('link', { name: say('Try it', '试填') }).click();
  await expect(page.getByText(say('Trying needs a key', '试填需要'))).toBeVisible();
  await look(page, '43-try-forbidden');

  await context.setOffline(true);
  await page.getByRole('link', { name: say('All instruments', '全部量表') }).click();
  await expect(page.getByRole('alert')).toContainText(OFFLINE());
  await look(page, '44-instruments-offline');
  await context.setOffline(false);
  await page.getByRole('button', { name: say('Try again', '重试') }).click();
  await expect(page.locator('.library')).toBeVisible();
});

test('an instrument of one’s own has versions, and trying it without a connection says so', async ({
  page,
  context,
}) => {
  const definition = (version: string) => ({
    ...{ id: 'sleep-check', version, title: 'Sleep check', licence: 'CC0-1.0', languages: ['en', 'zh'] },
    sources: ['Written for this study'],
    items: [
      { id: 's1', range: [0, 10], text: 'Trouble falling asleep, from 0 (none) to 10' },
      { id: 's2', range: [0, 240], text: 'Minutes awake at night' },
    ],
    scores: [{ id: 'total', title: 'Total', method: 'sum', items: ['s1'], range: [0, 10] }],
    alerts: [{ id: 'worse', severity: 'high', textKey: 'x.worse', when: { any: RULES } }],
  });
  for (const version of ['1', '2']) await send('PUT', '/v1/instruments/sleep-check', definition(version));
  await signIn(page, key('admin'), '/instruments/sleep-check?view=try');
  await page.locator('input[name=s1][value="8"]').check();
  await expect(page.locator('.result tbody')).toContainText('8');
  await page.getByRole('spinbutton').fill('90');
  await expect(page.locator('.result')).toContainText(say('2 of 2 answered', '已作答 2 / 2'));
  await context.setOffline(true);
  await page.locator('input[name=s1][value="9"]').check();
  await expect(page.locator('.result')).toContainText(OFFLINE());
  await look(page, '45-try-offline');
  await context.setOffline(false);
  await page.getByRole('link', { name: say('Definition', '定义'), exact: true }).click();
  await page.getByRole('combobox', { name: say('Version', '版本') }).selectOption('1');
  await expect(page).toHaveURL(/version=1/);
  await look(page, '46-instrument-own');
});

const RULES = [
  { item: 's1', atLeast: 7 },
  {
    all: [
      { item: 's1', missing: true },
      { item: 's2', above: 60 },
    ],
  },
  { change: 'total', since: 'previous', atLeast: 3 },
];

test('secrets are marks, and a document that nobody may see, that is not there or that cannot be reached says so', async ({
  page,
  study,
  context,
}) => {
  await signIn(page, key('admin'), '/configuration/alert-routes');
  await expect(page.locator('.editor textarea')).toHaveValue(/"\(kept\) 1"/);
  await look(page, '60-document-secrets');
  await page.getByRole('link', { name: say('All documents', '全部文档') }).click();
  await page.getByRole('link', { name: 'alert-rules' }).click();
  await expect(page.getByText(say('This document was never stored.', '该文档从未保存过'))).toBeVisible();
  await look(page, '61-document-never-stored');
  await page.getByRole('link', { name: say('All documents', '全部文档') }).click();
  await expect(page.locator('.library')).toBeVisible();
  await context.setOffline(true);
  await page.getByRole('link', { name: 'alert-rules' }).click();
  await expect(page.getByRole('alert')).toContainText(OFFLINE());
  await look(page, '62-document-offline');
  await context.setOffline(false);
  await signIn(page, key('admin'), '/configuration/no-such-document');
  await expect(page.getByText(MISSING())).toBeVisible();
  await look(page, '63-document-missing');
  await signIn(page, key('clinician', study), '/configuration');
  await expect(page.getByText(say('Your role does not allow this', '您的角色无此权限'))).toBeVisible();
  await look(page, '64-configuration-forbidden');
});

test('a file without rows, a key that may not send, and a lost connection say so', async ({ page, study, context }) => {
  await signIn(page, key('clinician', study), '/batch');
  await expect(page.getByText(say('Sending is for the roles', '只有 submit'))).toBeVisible();
  await look(page, '80-batch-forbidden');
  await signIn(page, key('coordinator', study), '/batch');
  const choose = (name: string, content: string) =>
    page.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(content) });
  await choose('empty.csv', 'studyId,siteId\n');
  await expect(page.getByRole('alert')).toContainText(say('There are no rows', '没有数据行'));
  await look(page, '81-batch-no-rows');
  const diary = (id: string) =>
    JSON.stringify({
      ...{ reportId: id, studyId: study, siteId: 'S1', patientId: 'P-1', kind: 'diary' },
      ...{ authoredAt: '2026-11-20T09:00:00Z', data: { note: `Slept well, ${id}.` } },
    });
  await choose('diaries.ndjson', `${diary('a')}\n{"broken"\n${diary('b')}\n{"siteId": 1}\n`);
  await context.setOffline(true);
  await page.getByRole('button', { name: say('Check the rows', '检查各行') }).click();
  await expect(page.getByRole('alert')).toContainText(OFFLINE());
  await look(page, '82-batch-offline');
  await context.setOffline(false);
  await page.getByRole('button', { name: say('Try again', '重试') }).click();
  await expect(page.getByRole('status').first()).toContainText(say('2 rows can be sent. 2 have', '2 行可以发送，2 行'));
  await look(page, '83-batch-lines');
  // The same id with another content, and one that is there already.
  await send('POST', '/v1/reports', JSON.parse(diary('a')));
  await send('POST', '/v1/reports', { ...JSON.parse(diary('b')), data: { note: 'Slept badly.' } });
  await page.getByRole('button', { name: say('Send 2 rows', '发送 2 行') }).click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: say('Send', '发送'), exact: true })
    .click();
  await expect(page.getByRole('status').first()).toContainText(say('1 there already', '1 行此前已接收'));
  await page.getByRole('checkbox').uncheck();
  await expect(page.locator('.batch')).toContainText(say('Another content was sent', '其他内容'));
  await look(page, '84-batch-outcomes');
});

test('a batch that was cut short says why, shows its progress, and goes on with the rest', async ({ page, study }) => {
  await signIn(page, key('coordinator', study), '/batch');
  const rows = Array.from({ length: 1200 }, (_, n) => ({
    ...{ reportId: `d-${n}`, studyId: study, siteId: 'S1', patientId: `P-${n % 9}`, kind: 'generic' },
    ...{ authoredAt: '2026-11-20T09:00:00Z', data: { steps: n } },
  }));
  const buffer = Buffer.from(JSON.stringify(rows));
  await page.locator('input[type=file]').setInputFiles({ name: 'steps.json', mimeType: 'application/json', buffer });
  await page.getByRole('button', { name: say('Check the rows', '检查各行') }).click();
  // The second portion is answered as if the site had sent too fast.
  let portion = 0;
  await page.route('**/v1/reports/batch', async (route) => {
    portion += 1;
    if (portion !== 2) return route.continue();
    await expect(page.locator('progress')).toHaveAttribute('value', '500');
    await look(page, '85-batch-sending');
    const row = (_: unknown, index: number) => ({ index, status: 'not-processed' });
    return route.fulfill({ status: 202, json: { ended: 'limited', rows: Array.from({ length: 500 }, row) } });
  });
  const send = async (label: RegExp) => {
    await page.getByRole('button', { name: label }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: say('Send', '发送'), exact: true })
      .click();
  };
  await send(/Send 1,200 rows|发送 1,200 行/);
  await expect(page.getByRole('alert')).toContainText(say('sends faster than it may', '发送过快'));
  await look(page, '86-batch-limited');
  await send(/Send 700 rows|发送 700 行/);
  await expect(page.getByRole('status').first()).toContainText(say('1,200 taken', '已接收 1,200 行'));
});
