/** Walks through silences and corrections, in each pair of language, width and colour scheme. */

import { expect, key, look, respond, say, send, signIn, test } from './steps';

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

test('an administrator corrects a submission, and a clinician cannot', async ({ page, study }) => {
  const { submissionId } = await respond(study, 'P-011', [1, 1, 1, 1, 1, 1, 1, 1, 0]);
  const { subject } = await send('GET', `/v1/submissions/${submissionId}`);
  await signIn(page, key('admin'), `/subjects/${subject}`);
  await page.locator('.submissions summary').click();
  await page.getByRole('button', { name: say('Correct…', '更正…') }).click();
  const text = page.getByLabel(say('The submission as JSON', 'JSON 格式的提交内容'));
  const check = page.getByRole('button', { name: say('Check and send…', '检查并发送…') });
  await expect(check).toBeDisabled();
  // Faults are told at their lines, before anything is sent.
  const before = await text.inputValue();
  await text.fill(before.replace('"q1": 1', '"q1": 9'));
  await page.getByLabel(say('Patient’s id at the site', '患者在中心的编号')).fill('P-999');
  await page.getByLabel(say('Reason, in one word', '原因（一个词）')).fill('patient-correction');
  await check.click();
  await expect(page.locator('.findings')).toContainText('/answers/q1');
  await look(page, '16-amend-findings');
  await text.fill(before.replace('"q1": 1', '"q1": 3'));
  await check.click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.locator('.difference')).toContainText('"q1": 3');
  await look(page, '17-amend-difference');
  // Of another patient it is refused, and says at which field.
  const confirm = dialog.getByRole('button', { name: say('Send the correction', '发送更正') });
  await confirm.click();
  await expect(page.locator('.amend-fault')).toHaveText(
    say(
      'Vigil has no such submission of this patient. Look at the id again.',
      'Vigil 中没有该患者的此项提交，请再核对编号。',
    ),
  );
  await look(page, '18-amend-other-patient');
  await page.getByLabel(say('Patient’s id at the site', '患者在中心的编号')).fill('P-011');
  await check.click();
  await confirm.click();
  await expect(page.locator('.said')).toHaveText(say('It is corrected.', '已更正。'));
  await expect(page.locator('.submissions > li')).toHaveCount(2);
  await expect(page.locator('.opened')).toContainText(say('A later version took its place.', '已被后来的版本取代。'));
  await expect(page.getByRole('button', { name: say('Correct…', '更正…') })).toHaveCount(0);
  await look(page, '19-amended');
  await signIn(page, key('clinician', study), `/subjects/${subject}`);
  await page.locator('.submissions summary').first().click();
  await expect(page.locator('.opened .scores, .opened table').first()).toBeVisible();
  await expect(page.getByRole('button', { name: say('Correct…', '更正…') })).toHaveCount(0);
});
