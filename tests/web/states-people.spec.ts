/** What people and keys show when there is nothing, when the key may not see them, and without a connection. */

import { expect, key, look, say, signIn, test } from './steps';

test('nobody is signed in, somebody may not see it, and a lost connection says so', async ({
  page,
  study,
  context,
}) => {
  // Other tests sign in meanwhile.
  await page.route(/\/v1\/sessions\?/, (route) => route.fulfill({ json: { sessions: [], cursor: null, more: false } }));
  await signIn(page, key('admin'), '/people');
  const none = say('Nobody is signed in by an identity provider', '没有人通过身份提供方登录');
  await expect(page.getByText(none)).toBeVisible();
  await look(page, '105-people-empty');
  await page.unroute(/\/v1\/sessions\?/);

  await page.route(/\/v1\/keys\?/, (route) => route.fulfill({ json: { keys: [], cursor: null, more: false } }));
  await page.getByRole('link', { name: say('Keys', '密钥'), exact: true }).click();
  await expect(page.getByText(say('No keys', '没有密钥'))).toBeVisible();
  await look(page, '106-keys-empty');
  await page.unroute(/\/v1\/keys\?/);

  await context.setOffline(true);
  await page.getByRole('link', { name: say('Signed in', '已登录'), exact: true }).click();
  await expect(page.getByRole('alert')).toContainText(say('No connection', '无法连接'));
  await look(page, '107-people-offline');
  await context.setOffline(false);

  await signIn(page, key('clinician', study), '/people');
  await expect(page.getByText(say('Your role does not allow this', '您的角色无此权限'))).toBeVisible();
  await look(page, '108-people-forbidden');
  await signIn(page, key('auditor'), '/people/keys');
  await expect(page.getByRole('button', { name: say('New key…', '新密钥…') })).toHaveCount(0);
  await look(page, '109-keys-read-only');
});
