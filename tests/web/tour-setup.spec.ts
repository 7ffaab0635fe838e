/** Walks through instruments, configuration and batch, in each language, width and colour scheme. */

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
  await expect(page.locator('.library > li')).toHaveCount(6);
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
