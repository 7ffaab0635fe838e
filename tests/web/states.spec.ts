/** What a screen shows when there is nothing, when the key may not see it, when it is gone, and when there is no connection. */

import { comeBack, expect, fill, key, look, report, respond, say, send, signIn, test } from './steps';

test('an empty inbox says what will appear', async ({ page, study }) => {
  await signIn(page, key('clinician', study));
  await expect(page.getByText(say('No open alerts', '没有未处理的警报'))).toBeVisible();
  await look(page, '20-inbox-empty');
  await page.goto(`${process.env.VIGIL}/inbox?severity=high`);
  await signIn(page, key('clinician', study), '/inbox?severity=high');
  await expect(page.getByText(say('No alert matches these filters', '没有符合筛选条件的警报'))).toBeVisible();
  await look(page, '21-inbox-filtered-empty');
});

test('what loads has its frame at once', async ({ page, study }) => {
  await page.route('**/v1/alerts?order=**', () => undefined);
  await signIn(page, key('clinician', study));
  await expect(page.locator('.bone').first()).toBeVisible();
  await look(page, '22-inbox-loading');
});

test('without a connection the list stays, and says that it is old', async ({ page, study, context }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  await expect(page.locator('.row')).toHaveCount(5);
  await expect(page.locator('.row-told').last()).toContainText('study-nurse');
  await context.setOffline(true);
  await comeBack(page);
  await expect(page.locator('.news')).toContainText(say('No connection', '无法连接'));
  await look(page, '23-inbox-offline');
  await page.locator('.row button').first().click();
  await expect(page.locator('.said')).toContainText(say('No connection', '无法连接'));
  await context.setOffline(false);
  await page.locator('.news button').click();
  await expect(page.locator('.news button')).toHaveCount(0);
  await expect(page.locator('.row')).toHaveCount(5);
});

test('what does not exist, and what a key does not cover, looks the same', async ({ page, study }) => {
  const other = await respond('OTHER', 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await signIn(page, key('clinician', study), `/alerts/${other.alerts[0].alertId}`);
  await expect(page.getByText(say('There is nothing here', '这里什么也没有'))).toBeVisible();
  await look(page, '24-alert-missing');
  await page.goto(`${process.env.VIGIL}/no-such-screen`);
  await signIn(page, key('clinician', study), '/no-such-screen');
  await look(page, '25-no-such-screen');
});

test('a key that only reads sees no button, and a screen that it may not see says so', async ({ page, study }) => {
  const { alerts } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await signIn(page, key('read', study), `/alerts/${alerts[0].alertId}`);
  await expect(page.getByText(say('You may read alerts', '您只能查看警报'))).toBeVisible();
  await expect(page.getByRole('button', { name: say('Acknowledge', '确认') })).toHaveCount(0);
  await look(page, '26-alert-read-only');
  await signIn(page, key('read', study), '/deliveries');
  await expect(page.getByText(say('Your role does not allow this', '您的角色无此权限'))).toBeVisible();
  await look(page, '27-forbidden');
});

test('an erased submission is gone, and its alert says so', async ({ page, study }) => {
  const { submissionId, alerts } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const { subject } = await send('GET', `/v1/submissions/${submissionId}`);
  await signIn(page, key('admin'), `/subjects/${subject}`);
  await page.locator('.submissions summary').click();
  await page.getByRole('button', { name: say('Erase…', '删除…') }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('consent withdrawn');
  await look(page, '33-erase');
  await page.getByRole('button', { name: say('Erase for good', '永久删除') }).click();
  await expect(page.locator('.said')).toHaveText(say('It is erased.', '已删除。'));
  await signIn(page, key('clinician', study), `/alerts/${alerts[0].alertId}`);
  const gone = page.getByText(say('The submission was erased', '该提交已被删除'));
  await expect(gone.or(page.getByText(say('There is nothing here', '这里什么也没有')))).toBeVisible();
  await look(page, '28-alert-erased');
});

test('a report is shown by its members', async ({ page, study }) => {
  const { alerts } = await report(study, 'P-009', 'adverse-event', {
    term: 'Febrile neutropenia',
    onset: '2026-11-25',
    ongoing: true,
    grade: 4,
    serious: true,
    seriousnessCriteria: ['hospitalisation'],
    relatedness: 'probable',
    outcome: 'not-recovered',
    actionTaken: 'dose-interrupted',
  });
  await signIn(page, key('clinician', study), `/alerts/${alerts[0].alertId}`);
  await expect(page.locator('.data')).toContainText('Febrile neutropenia');
  await look(page, '29-alert-of-a-report');
});

test('the filters and the help for the keyboard', async ({ page, study }) => {
  await fill(study);
  await signIn(page, key('clinician', study));
  await expect(page.locator('.row')).toHaveCount(5);
  const toggle = page.getByRole('button', { name: say('Filters', '筛选') });
  if (await toggle.isVisible()) await toggle.click();
  await page.getByLabel(say('Severity', '严重程度')).selectOption('high');
  await expect(page.locator('.row')).toHaveCount(2);
  await look(page, '30-inbox-filtered');
  await page.keyboard.press('Escape');
  await page.locator('h1').click();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toBeVisible();
  await look(page, '31-keys');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('j');
  await page.keyboard.press('r');
  await expect(page.getByRole('dialog')).toContainText(say('Note (optional)', '备注（可选）'));
  await look(page, '32-resolve');
});

test('the last hour has a gap where the clock did not run', async ({ page }) => {
  const began = Date.now() - 3600000;
  const minute = (n: number) => ({
    at: new Date(began + n * 60000).toISOString(),
    ...{ accepted: n, scored: n, delivered: n % 3 },
    waiting: { dispatch: n % 2, score: Math.max(0, 30 - Math.abs(30 - 2 * n)) },
    oldestMs: { dispatch: 40 * n, score: 500 * Math.max(0, 30 - Math.abs(30 - 2 * n)) },
  });
  const minutes = Array.from({ length: 60 }, (_, n) => minute(n)).filter((_, n) => n < 35 || n > 41);
  await page.route('**/v1/stats/hour', (route) => route.fulfill({ json: { minutes } }));
  await signIn(page, key('operator'), '/system');
  await expect(page.locator('.chart canvas')).toHaveCount(2);
  await page.getByRole('slider').first().press('ArrowLeft');
  await expect(page.getByRole('slider').last()).toHaveAttribute('aria-valuenow', '52');
  await page.getByText(say('53 minutes as a table', '以表格显示 53 分钟')).click();
  await look(page, '34-system-hour');
});

test('acknowledged alerts stand critical first, and say who took them', async ({ page, study }) => {
  await fill(study);
  const { alerts } = await send('GET', `/v1/alerts?study=${study}&order=urgency`);
  // The least urgent ones are taken last: by time they would stand at the top.
  for (const { alertId } of alerts)
    await send('POST', `/v1/alerts/${alertId}/acknowledge`, {}, key('clinician', study));
  await signIn(page, key('clinician', study), '/inbox?state=acknowledged');
  const rows = page.locator('.row');
  await expect(rows).toHaveCount(5);
  await expect(rows.first()).toContainText(say('Critical', '危急'));
  await expect(rows.last()).not.toContainText(say('Critical', '危急'));
  for (const row of await rows.all()) await expect(row).toContainText('dr-lin');
  await look(page, '35-inbox-acknowledged');
});
