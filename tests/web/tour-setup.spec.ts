/** Walks through instruments, configuration and batch, in each pair of language, width and colour scheme. */

import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { expect, key, look, say, send, signIn, test } from './steps';

test('whoever sets up a study finds an instrument, reads its rules, and tries it', async ({ page }) => {
  await signIn(page, key('admin'), '/instruments');
  const entries = page.locator('.library > li');
  await expect(entries.nth(20)).toBeVisible();
  await look(page, '30-instruments');
  await page.getByLabel(say('Search', '搜索')).fill('phq-9');
  await expect(entries).toHaveCount(1);
  await expect(page).toHaveURL(/q=phq-9/);
  await entries.getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('PHQ-9');
  await expect(page.locator('.rules')).toContainText(say('hurting yourself in some way” is 1 or more', '不低于 1'));
  await look(page, '31-instrument');

  await page.getByRole('link', { name: say('Try it', '试填') }).click();
  await expect(page.locator('.question')).not.toHaveCount(0);
  await look(page, '32-try');
  for (const item of ['q1', 'q2', 'q3']) await page.locator(`input[name=${item}][value="2"]`).check();
  await page.locator('input[name=q9][value="1"]').check();
  const result = page.locator('.result');
  await expect(result).toContainText(say('Item q9 is 1, rule: 1 or more', '条目 q9 为 1，规则：不低于 1'));
  await expect(result.locator('.severity')).toContainText([say('Critical', '危急')]);
  await expect(result.locator('tbody tr')).not.toHaveCount(0);
  await look(page, '33-tried');
  for (const item of ['q4', 'q5', 'q6', 'q7', 'q8']) await page.locator(`input[name=${item}][value="2"]`).check();
  await expect(result.locator('tbody tr').first()).toContainText('17');
  await look(page, '34-tried-all');

  // By the keyboard: the arrows choose another answer, and an answer can be taken back.
  await page.locator('input[name=q9][value="1"]').focus();
  await page.keyboard.press('ArrowUp');
  await expect(result).not.toContainText('item-9');
  await page.getByRole('button', { name: say('Clear all answers', '清除全部作答') }).click();
  await expect(result).toContainText(say('Answer an item to see what follows.', '作答任一条目即可看到结果。'));
});

/** A document of each worker's own: all studies share them. `wrong` has a fault in its line 4. */
function documentOf(study: string) {
  const [name, content, wrong] = test.info().parallelIndex
    ? ['patient-systems', { '*': ['urn:oid:1.2.3'] }, { '*': ['urn:oid:1.2.3'], S1: 7 }]
    : ['deidentification', { diary: { note: 'drop' } }, { diary: { note: 'burn' } }];
  const text = (one: unknown) => JSON.stringify({ studies: { [study]: one } }, null, 2);
  return { name: String(name), content: text(content), wrong: text(wrong) };
}

test('an administrator checks, compares and stores a document, and restores an earlier version', async ({
  page,
  study,
}) => {
  const { name, content, wrong } = documentOf(study);
  await signIn(page, key('admin'), '/configuration');
  await expect(page.locator('.library > li')).toHaveCount(8);
  await look(page, '50-configuration');
  await page.getByRole('link', { name, exact: true }).click();
  const field = page.locator('.editor textarea');
  await expect(field).toBeVisible();

  await field.fill(`${content.slice(0, -6)}`);
  await expect(page.locator('.finding')).toHaveCount(1);
  await look(page, '51-document-no-json');
  await field.fill(wrong);
  await page.getByRole('button', { name: say('Check', '检查'), exact: true }).click();
  const finding = page.locator('.finding').first();
  await expect(finding).toContainText(`/studies/${study}`);
  await look(page, '52-document-findings');
  await finding.click();
  await expect(field).toBeFocused();
  const chosen = await field.evaluate((area: HTMLTextAreaElement) =>
    area.value.slice(area.selectionStart, area.selectionEnd),
  );
  expect(chosen).toMatch(/burn|S1/);

  // Stored with a reason, after a look at the difference.
  const store = async (text: string, reason: string, picture?: string) => {
    await field.fill(text);
    await page.getByRole('button', { name: say('Save…', '保存…') }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill(reason);
    if (picture) await look(page, picture);
    await dialog.getByRole('button', { name: say('Put in force', '使其生效') }).click();
  };
  await store(content, say('Ethics committee, 12 March', '伦理委员会 3 月 12 日'), '53-document-difference');
  await expect(page.locator('.said')).toContainText(say('is in force.', '已生效。'));
  await expect(page.locator('.versions-list')).toContainText(say('Ethics committee', '伦理委员会'));

  // Somebody else is quicker: what was written stays.
  const { documents } = await send('GET', '/v1/config');
  const { version } = documents.find((one: { document: string }) => one.document === name);
  const other = JSON.stringify({ studies: { [study]: {} } });
  const put = await fetch(`${process.env.VIGIL}/v1/config/${name}`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${key('admin')}`,
      'content-type': 'application/json',
      'if-match': `"${version}"`,
    },
    body: other,
  });
  expect(put.status).toBe(200);
  const mine = content.replace(study, `${study}-B`);
  await store(mine, say('Second site', '第二个中心'));
  await expect(page.getByRole('alert')).toContainText(say('Somebody else stored', '其他人已保存'));
  await expect(field).toHaveValue(mine);
  await look(page, '54-document-overtaken');
  await page.getByRole('button', { name: say('Compare with theirs', '与新版本比较') }).click();
  await expect(page.getByRole('button', { name: say('Save…', '保存…') })).toBeEnabled();
  await expect(field).toHaveValue(mine);

  await page.locator('.versions-list a').nth(1).click();
  await expect(page).toHaveURL(new RegExp(`version=${version}`));
  await expect(field).toHaveValue(`${content}\n`);
  await page.getByRole('button', { name: say('Restore this version…', '恢复此版本…') }).click();
  await look(page, '55-document-restore');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: say('Restore this version…', '恢复此版本…') })
    .click();
  await expect(page.locator('.said')).toContainText(say('is in force.', '已生效。'));
  await expect(page).not.toHaveURL(/version=/);
});

const REST = 'possible,recovered,none';

/** Adverse events as CSV; in those of `wrong` the grade is 7. */
function events(study: string, count: number, wrong: number[]) {
  const header =
    'reportId,studyId,siteId,patientId,kind,authoredAt,term,grade,serious,onset,relatedness,outcome,actionTaken';
  const rows = Array.from({ length: count }, (_, n) => {
    const grade = wrong.includes(n) ? 7 : (n % 2) + 1;
    return `ae-${n},${study},S1,P-${n % 40},adverse-event,2026-11-20T09:00:00+01:00,Nausea,${grade},false,2026-11-19,${REST}`;
  });
  return `${[header, ...rows].join('\r\n')}\r\n`;
}

const choose = (page: Page, name: string, content: string | Buffer) =>
  page.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(content) });

test('a coordinator has a file checked, sends what is right, mends the rest, and sends again without harm', async ({
  page,
  study,
}) => {
  const wrong = Array.from({ length: 30 }, (_, n) => n * 33);
  await signIn(page, key('coordinator', study), '/batch');
  await expect(page.locator('input[type=file]')).toBeVisible();
  await page.locator('summary').click();
  await look(page, '70-batch');
  const example = (await page.locator('.sample').textContent())?.replaceAll('DEMO', study) ?? '';
  const asked: string[] = [];
  page.on('request', (request) => request.method() === 'POST' && asked.push(new URL(request.url()).pathname));
  await choose(page, 'events.csv', events(study, 1000, wrong));
  await expect(page.locator('.batch tbody tr')).toHaveCount(100);
  await look(page, '71-batch-chosen');
  // Until now nothing has left the browser.
  expect(asked).toEqual([]);

  await page.getByRole('button', { name: say('Check the rows', '检查各行') }).click();
  await expect(page.getByRole('status').first()).toContainText(
    say('970 rows can be sent. 30 have', '970 行可以发送，30 行有错误'),
  );
  const rows = page.locator('.batch tbody tr');
  await expect(rows).toHaveCount(30);
  await expect(rows.first()).toContainText('data.grade');
  await expect(rows.nth(1).locator('th')).toHaveText('35');
  expect(asked).not.toContain('/v1/reports/batch');
  await look(page, '72-batch-findings');
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: say('Download 30 with faults', '下载 30 行错误数据') }).click();
  const faults = await readFile(await (await downloading).path(), 'utf8');
  expect(faults.split('\r\n')).toHaveLength(32);
  expect(faults).toContain('/data/grade');

  const send = async (label: RegExp) => {
    await page.getByRole('button', { name: label }).click();
    await look(page, '73-batch-send');
    await page
      .getByRole('dialog')
      .getByRole('button', { name: say('Send', '发送'), exact: true })
      .click();
  };
  await send(/Send 970 rows|发送 970 行/);
  await expect(page.getByRole('status').first()).toContainText(say('970 taken', '已接收 970 行'));
  await look(page, '74-batch-sent');
  await send(/Send again|再次发送/);
  await expect(page.getByRole('status').first()).toContainText(say('970 there already', '970 行此前已接收'));

  // The example that the screen gives is as Vigil wants it.
  await page.getByRole('button', { name: say('Another file', '其他文件') }).click();
  await choose(page, 'example.csv', example);
  await page.getByRole('button', { name: say('Check the rows', '检查各行') }).click();
  await expect(page.getByRole('status').first()).toContainText(say('All 2 rows can be sent', '全部 2 行均可发送'));

  // Mended in the downloaded file, and sent: its columns with the faults are left out.
  await page.getByRole('button', { name: say('Another file', '其他文件') }).click();
  await choose(page, 'events-faults.csv', faults.replaceAll(',7,', ',1,'));
  await page.getByRole('button', { name: say('Check the rows', '检查各行') }).click();
  await send(/Send 30 rows|发送 30 行/);
  await expect(page.getByRole('status').first()).toContainText(say('30 taken', '已接收 30 行'));
});
