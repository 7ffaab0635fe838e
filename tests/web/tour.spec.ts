/** Walks through the screens as a clinician does, in each language, width and colour scheme. */

import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import {
  comeBack,
  expect,
  fill,
  firstMessage,
  goTo,
  isChinese,
  key,
  look,
  refused,
  report,
  respond,
  say,
  signIn,
  signOut,
  test,
} from './steps';

/** Presses a button that leads to an identity, and says why. */
async function withReason(page: Page, name: string) {
  await page.getByRole('button', { name }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill(say('The patient asks for a copy', '患者索取副本'));
  await dialog.getByRole('button', { name }).click();
}

test('a clinician signs in, sees what is urgent, and acts', async ({ page, study }) => {
  await respond(study, 'P-004', [2, 2, 2, 2, 2, 1, 1, 0, 0], 'S2', 28);
  await respond(study, 'P-004', [1, 1, 1, 1, 2, 1, 1, 0, 0], 'S2', 14);
  await fill(study);
  await page.goto(`${process.env.VIGIL}/`);
  await expect(page.getByRole('heading', { name: say('Sign in', '登录') })).toBeVisible();
  await look(page, '01-sign-in');
  await page.getByRole('button', { name: say('Sign in', '登录') }).click();
  await expect(page.getByRole('alert')).toHaveText(say('Type or paste your key.', '请输入或粘贴密钥。'));
  await look(page, '02-sign-in-empty');

  await signIn(page, key('clinician', study));
  const rows = page.locator('.row');
  await expect(rows).toHaveCount(5);
  await expect(page.locator('.row-link').first()).toContainText('better off dead');
  await expect(rows.first()).toContainText('pager');
  await look(page, '03-inbox');

  // Acknowledged in the list: the row stays where it is.
  await rows
    .first()
    .getByRole('button', { name: /^(Acknowledge: |确认：).*better off dead.*(, Critical|，危急)$/ })
    .click();
  await expect(rows.first()).toContainText(say('Acknowledged', '已确认'));
  await expect(rows.first()).toContainText('dr-lin');
  await look(page, '04-inbox-acknowledged');

  // A new alert waits until it is asked for.
  await report(study, 'P-009', 'adverse-event', AE);
  const news = page.getByRole('button', { name: say('Show 1 new', '显示 1 条新警报') });
  await comeBack(page);
  await expect(news).toBeVisible();
  await expect(rows).toHaveCount(5);
  await look(page, '05-inbox-news');
  await news.click();
  // The acknowledged one has left with it.
  await expect(rows.filter({ hasText: 'dr-lin' })).toHaveCount(0);
  await expect(rows).toHaveCount(5);

  // One alert, whole.
  await page.locator('.row-link').filter({ hasText: 'better off dead' }).last().click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('better off dead');
  await expect(page.locator('.answers .demanded')).toHaveCount(1);
  await look(page, '06-alert');
  await page.getByLabel(say('Who looks after it', '由谁负责')).fill(say('Night team', '夜班团队'));
  await page.getByRole('button', { name: say('Take over', '接手') }).click();
  await expect(page.locator('.history')).toContainText(say('Night team', '夜班团队'));
  await page
    .getByLabel(say('Note (optional)', '备注（可选）'))
    .fill(say('Called, safe at home.', '已电话联系，患者在家，安全。'));
  await page.getByRole('button', { name: say('Add the note only', '仅添加备注') }).click();
  await expect(page.locator('.history')).toContainText(say('Called, safe at home.', '已电话联系'));
  await page.getByRole('button', { name: say('Acknowledge', '确认') }).click();
  await expect(page.locator('.alert-head')).toContainText(say('Acknowledged', '已确认'));
  await page.getByRole('button', { name: say('Resolve', '解决'), exact: true }).click();
  await expect(page.locator('.alert-head')).toContainText(say('Resolved', '已解决'));
  await look(page, '07-alert-resolved');

  // The subject behind it.
  await page.goBack();
  await page.locator('.row-link').first().click();
  await page.locator('.facts a').click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText(say('Subject', '受试者'));
  await expect(page.locator('table tbody tr')).toHaveCount(3);
  // The cursor of the chart goes from value to value.
  await expect(page.locator('.chart canvas')).toBeVisible();
  const chart = page.getByRole('slider');
  await expect(chart).toHaveAttribute('aria-valuetext', new RegExp(say('Critical alert', '危急警报')));
  await chart.press('Home');
  await expect(page.locator('.chart-says')).toContainText('12');
  await page.locator('.submissions summary').first().click();
  await expect(page.locator('.opened .answers')).toBeVisible();
  await look(page, '08-subject');
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: say('As CSV', '导出 CSV') }).click();
  expect(await readFile(await (await downloading).path(), 'utf8')).toContain('phq-9');

  // Everything, as a file and as a page with its style.
  const bundle = page.waitForEvent('download');
  await withReason(page, say('As a file (FHIR)', '文件（FHIR）'));
  const held = JSON.parse(await readFile(await (await bundle).path(), 'utf8'));
  expect([held.resourceType, held.entry[0].resource.resourceType]).toEqual(['Bundle', 'Patient']);
  const opening = page.waitForEvent('popup');
  await withReason(page, say('As a page to print', '打印页面'));
  const printed = await opening;
  await expect(printed.getByRole('heading', { level: 1 })).toContainText(say('Everything about', '全部记录'));
  await expect(printed.locator('section').first()).toHaveCSS('border-top-style', 'solid');
  await printed.close();

  // The same on paper, without the bar.
  await page.getByRole('link', { name: say('To print', '打印版') }).click();
  await expect(page.locator('.paper-submission')).toHaveCount(3);
  await look(page, '09-subject-to-print');
  await page.emulateMedia({ media: 'print' });
  await expect(page.getByRole('banner')).toBeHidden();
  await page.emulateMedia({ media: null });

  await signOut(page);
  await expect(page.getByRole('heading', { name: say('Sign in', '登录') })).toBeVisible();
});

test('a message is answered in two taps: its link, and the button behind it', async ({ page, study, hasTouch }) => {
  await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  const { at, link: sent } = await firstMessage(study);
  // The page speaks the language of the message, unless it is asked for another.
  const link = isChinese() ? `${sent}?lang=zh` : sent;
  await page.goto(link);
  const acknowledge = page.getByRole('button', { name: say('Acknowledge', '确认') });
  await (hasTouch ? acknowledge.tap() : acknowledge.click());
  await expect(page.locator('.done')).toContainText(say('Acknowledged', '已确认'));
  console.log(`from the webhook to "acknowledged": ${Date.now() - at} ms`);
  await look(page, '21-link-acknowledged');

  // Whoever opens it later reads who was there before; a mistyped one leads nowhere.
  await page.goto(link);
  await expect(acknowledge).toHaveCount(0);
  await page.goto(link.replace('/acknowledge/', '/acknowledge/x'));
  await expect(acknowledge).toHaveCount(0);
  await look(page, '22-link-unknown');
});

test('an operator sees receivers, sends again what was given up, and looks at the system', async ({ page, study }) => {
  await refused(study);
  await respond('TOLD', 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 0]);
  await signIn(page, key('operator'));
  await expect(page).toHaveURL(/deliveries/);
  await expect(page.locator('.card')).toHaveCount(6);
  await expect(page.locator('.letters li').first()).toBeVisible();
  await look(page, '10-deliveries');
  const ward = page.locator('.card').filter({ hasText: 'ward-desk' });
  await ward.getByRole('button', { name: say('Send a test', '发送测试') }).click();
  await expect(page.locator('.said')).toContainText('ward-desk');
  await expect(page.locator('.said')).toContainText('204');
  // Counted first, then told once more.
  await page.getByRole('button', { name: say('Tell again…', '再次通知…') }).click();
  const again = page.getByRole('dialog');
  await again.getByRole('button', { name: say('Count them', '先计数') }).click();
  await expect(again).toContainText(say('would be told again', '将再次通知'));
  await again.getByRole('textbox').last().fill(say('The EDC was restored.', 'EDC 已恢复。'));
  await look(page, '15-tell-again');
  await again.getByRole('button', { name: say('Tell again', '再次通知') }).click();
  await expect(page.locator('.said')).toContainText(say('told again.', '已再次通知'));
  await expect(page.locator('.card').filter({ hasText: 'tablet' })).toContainText(
    say('Last call refused (400)', '最近一次调用被拒绝 (400)'),
  );
  await page
    .getByLabel(/(Info|提示) (Alert|警报) [0-9a-f]{8}[,，] ?\S+ \/ S1[,，] ?tablet$/)
    .first()
    .check();
  await page.getByRole('button', { name: say('Send 1 again', '重新发送 1 条') }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(say('1 delivery will be sent again.', '将重新发送 1 条。'));
  await dialog.getByRole('textbox').fill(say('Tablet repaired', '平板已修复'));
  await look(page, '11-deliveries-dry-run');
  await dialog.getByRole('button', { name: say('Send 1 again', '重新发送 1 条') }).click();
  await expect(page.locator('.said')).toContainText(say('1 delivery sent again.', '已重新发送 1 条。'));

  await goTo(page, say('System', '系统'));
  await expect(page.getByText(say('Vigil is ready', 'Vigil 运行正常'))).toBeVisible();
  await expect(page.locator('.needs')).toContainText(say('dead letter', '条死信'));
  // The API's own words are English.
  if (say('en', 'zh') === 'zh') await expect(page.locator('th[scope="row"] [lang="en"]')).toHaveCount(0);
  await expect(page.locator('.panel').last().locator('tbody tr').nth(3)).toBeVisible();
  await expect(page.getByRole('heading', { name: say('The last hour', '最近一小时') })).toBeVisible();
  await look(page, '12-system');
});

const AE = {
  term: 'Febrile neutropenia',
  onset: '2026-11-25',
  ongoing: true,
  grade: 4,
  serious: true,
  seriousnessCriteria: ['hospitalisation'],
  relatedness: 'probable',
  outcome: 'not-recovered',
  actionTaken: 'dose-interrupted',
};
