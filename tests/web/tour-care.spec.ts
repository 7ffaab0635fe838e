/** Walks through silences, in each pair of language, width and colour scheme. */

import { expect, key, look, respond, say, signIn, test } from './steps';

test('a clinician silences a site for an hour, and ends it', async ({ page, study }) => {
  const { alerts } = await respond(study, 'P-003', [2, 2, 2, 2, 2, 2, 2, 2, 0], 'S2');
  await signIn(page, key('clinician', study), `/alerts/${alerts[0].alertId}`);
  await page.getByRole('link', { name: say('Silence alerts like this…', '静默此类警报…') }).click();
  const rule = page.getByLabel(say('Rule', '规则'), { exact: true });
  await expect(rule).toHaveValue(alerts[0].rule);
  await rule.fill('');
  await page.getByLabel(say('Instrument or report', '量表或报告')).fill('');
  await page.getByLabel(say('Why', '原因'), { exact: true }).fill(say('Drill at the site.', '中心演练。'));
  await expect(page.locator('.will')).toContainText('S2');
  await look(page, '13-silence-form');
  await page.getByRole('button', { name: say('Silence', '开始静默'), exact: true }).click();
  const silence = page.locator('.silences > li').filter({ hasText: study });
  await expect(silence).toContainText(say('In force', '生效中'));
  // What comes in now is recorded, and not sent.
  await respond(study, 'P-003', [2, 2, 2, 2, 2, 2, 2, 2, 0], 'S2');
  await page.reload();
  await signIn(page, key('clinician', study), '/silences');
  await expect(silence).toContainText(say('1 matching alert was not sent', '1 条相符的警报未发送'));
  await look(page, '14-silences');
  await silence.getByRole('button', { name: say('End it now', '立即结束') }).click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: say('End it now', '立即结束') })
    .click();
  await expect(page.locator('.said')).toContainText(say('The silence is over.', '静默已结束'));
  await expect(silence).toContainText(say('Over', '已结束'));
  await expect(silence.getByRole('button')).toHaveCount(0);
});
