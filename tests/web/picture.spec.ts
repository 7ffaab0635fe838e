/** The picture of the README: the inbox with the alert that the `curl` of the README raises. `WRITE=1` writes it. */

import { copyFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, key, respond, signIn, test } from './steps';

const PICTURE = resolve(import.meta.dirname, '../../docs/images/inbox.png');
const LARGEST = 100_000;

test('the picture of the README shows the inbox', async ({ page }, info) => {
  await page.setViewportSize({ width: 1100, height: 500 });
  await respond('DEMO', 'P-001', [1, 1, 1, 1, 1, 1, 1, 1, 1]);
  await respond('DEMO', 'P-002', [3, 3, 3, 3, 2, 3, 2, 2, 0]);
  await respond('DEMO', 'P-003', [2, 2, 2, 2, 2, 2, 2, 2, 0], 'S2');
  await signIn(page, key('clinician', 'DEMO'));
  await expect(page.locator('.row-told').last()).toContainText('study-nurse');
  await page.mouse.move(0, 0);
  await page.evaluate(() => scrollTo(0, 0));
  const picture = info.outputPath('inbox.png');
  await page.screenshot({ path: picture });
  expect(statSync(picture).size).toBeLessThan(LARGEST);
  if (process.env.WRITE) copyFileSync(picture, PICTURE);
  expect(statSync(PICTURE).size).toBeLessThan(LARGEST);
});
