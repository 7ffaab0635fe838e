/** Walks through instruments as whoever sets up a study does, in each language, width and colour scheme. */

import { expect, key, look, say, signIn, test } from './steps';

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
