/** The signed head of the log: an auditor keeps one, and compares the log with it later. */

import { readFile } from 'node:fs/promises';
import { expect, key, look, respond, say, signIn, test } from './steps';

test('an auditor keeps the head of the log, and sees whether the log still has it', async ({ page, study }) => {
  await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await signIn(page, key('auditor'), '/system');
  const log = page.locator('section').filter({ has: page.getByRole('heading', { name: say('The log', '日志') }) });
  await expect(log).toContainText(say('The signature is right', '签名正确'), { timeout: 30_000 });
  const downloading = page.waitForEvent('download');
  await log.getByRole('button', { name: say('Keep this head', '保存此头') }).click();
  const path = await (await downloading).path();
  const document = await readFile(path, 'utf8');
  await expect(log).toContainText(JSON.parse(document).key);

  const file = log.getByLabel(say('Compare with a head that was kept', '与已保存的头比对'));
  const drop = (name: string, text: string) =>
    file.setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
  // As a shell writes it, with a line feed at its end.
  await drop('kept.json', `${document}\n`);
  await expect(log).toContainText(say('The log still has head', '日志仍有第'));
  await look(page, '150-head');
  await drop('kept.json', document.replace(/"at":"20/, '"at":"19'));
  await expect(log).toContainText(say('The log is not what kept.json says.', '日志与 kept.json 不符。'));
  await expect(log).toContainText(say('The signature of the kept head is wrong', '已保存的头签名错误'));
  await look(page, '151-head-other');
  await drop('notes.json', '{}');
  await expect(log.getByRole('alert')).toHaveText(say('notes.json is no head of a log.', 'notes.json 不是日志的头。'));

  // A log that has no key says so.
  await page.route('**/v1/audit/head', (route) => route.fulfill({ status: 404, json: {} }));
  await signIn(page, key('auditor'), '/system');
  await expect(log).toContainText(say('No head is signed', '没有已签名的头'));
  // Heads are of all studies.
  await signIn(page, key('clinician', study), '/system');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(log).toHaveCount(0);
});
