/** Walks through signing in by a provider, people, keys, looks and the erasure of a subject, in each pair of language and width. */

import {
  expect,
  key,
  login,
  look,
  openMenu,
  respond,
  say,
  send,
  signIn,
  signInBy,
  signOut,
  test,
  toProvider,
} from './steps';

test('a person is told why access is missing, then uses one of two roles', async ({ page, study }) => {
  await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  await page.goto(`${process.env.VIGIL}/`);
  await expect(toProvider(page)).toBeVisible();
  await look(page, '90-sign-in-provider');
  await signInBy(page, `jonas.${study}`, '/inbox');
  await expect(page.locator('.who')).toContainText('Jonas Weber');
  await expect(page.locator('.row').first()).toBeVisible();
  await look(page, '91-person');
  await page.locator('.who-role').click();
  await expect(page.getByRole('dialog')).toBeVisible();
  await look(page, '92-person-roles');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: say('Reader', '查看者') })
    .click();
  await expect(page.locator('.who')).toContainText(say('Reader', '查看者'));
  await signOut(page);
  await expect(page.locator('#why')).toBeVisible();
  await look(page, '93-signed-out');
});

test('a person is asked what a signature means, and to sign in again', async ({ page, study }) => {
  const { alerts } = await respond(study, 'P-001', [1, 1, 0, 2, 1, 0, 0, 0, 1]);
  await signInBy(page, `mei.${study}`, `/alerts/${alerts[0].alertId}`);
  await page.getByRole('button', { name: say('Resolve', '解决'), exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Mei Lin');
  await look(page, '104-sign');
  const problem = { type: 'urn:vigil:problem:signature-required', detail: 'sign in again' };
  await page.route('**/resolve', (route) => route.fulfill({ status: 403, json: problem }));
  await dialog.getByRole('button', { name: say('Sign', '签名'), exact: true }).click();
  await expect(dialog.getByRole('button', { name: say('Sign in again', '重新登录') })).toBeVisible();
  await look(page, '105-sign-again');
});

test('a stranger is told that nobody gave access', async ({ page, study }) => {
  await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
  await page.goto(`${process.env.VIGIL}/`);
  await toProvider(page).click();
  await login(page, `stranger.${study}`);
  await expect(page.locator('#why')).toContainText(say('nobody has given you access', '尚未获得'));
  await look(page, '94-no-access');
});

test('an administrator sees who is signed in, makes a key, reads looks, and erases a subject', async ({
  page,
  study,
  browser,
}) => {
  const { subject } = await respond(study, 'P-001', [0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const ward = await (await browser.newContext()).newPage();
  await signInBy(ward, `mei.${study}`, `/subjects/${subject}`);
  await expect(ward.locator('.submissions > li')).toHaveCount(1);

  await signIn(page, key('admin'), '/people');
  const person = page.locator('.people > li').filter({ hasText: `mei.${study}` });
  await expect(person).toContainText('Mei Lin');
  await look(page, '95-people');
  if (await openMenu(page)) {
    await look(page, '95-people-menu');
    // It ends by the keyboard, which goes on where it was.
    await page.keyboard.press('Escape');
    await expect(page.locator('.menu-button')).toBeFocused();
  }
  await person.getByRole('button', { name: say('End all sessions of Mei Lin', '结束 Mei Lin 的全部会话') }).click();
  await expect(page.getByRole('dialog')).toContainText('Mei Lin');
  await look(page, '96-people-end');
  await page.keyboard.press('Escape');
  // One session ends, and the person may come back.
  await person.getByRole('button', { name: say('End this session of Mei Lin', '结束 Mei Lin 的此会话') }).click();
  const ending = page.getByRole('dialog');
  await ending.getByRole('textbox').fill(say('Left signed in at the ward desk', '在护士站未退出'));
  await look(page, '96-people-end-one');
  await ending.getByRole('button', { name: say('End it', '结束'), exact: true }).click();
  await expect(page.locator('.said')).toHaveText(say('The session of Mei Lin has ended.', 'Mei Lin 的会话已结束。'));
  await expect(person).toHaveCount(0);

  await page.getByRole('link', { name: say('Keys', '密钥'), exact: true }).click();
  await page.getByRole('button', { name: say('New key…', '新密钥…') }).click();
  await page.getByLabel(say('What it is for', '用途')).fill(`EDC ${study}`);
  await page.getByLabel(say('Study', '研究')).fill(study);
  const soon = new Date(Date.now() + 5 * 86400000).toISOString().slice(0, 10);
  await page.getByLabel(say('Last day', '最后有效日')).fill(soon);
  await look(page, '97-key-form');
  await page.getByRole('button', { name: say('Create the key', '创建密钥') }).click();
  await expect(page.locator('.secret')).toBeVisible();
  await look(page, '98-key-secret');
  await page.getByRole('button', { name: say('I have kept it', '我已保存') }).click();
  const listed = page.locator('.people > li').filter({ hasText: `EDC ${study}` });
  await expect(listed).toContainText(say('Expires soon', '即将到期'));
  await look(page, '99-keys');
  await listed.getByRole('button').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill(say('Not needed', '不再需要'));
  await dialog.getByRole('button', { name: say('Withdraw', '撤销'), exact: true }).click();
  await expect(listed).toHaveCount(0);

  await page.getByRole('link', { name: say('Looks', '查看记录'), exact: true }).click();
  await page.getByLabel(say('Study', '研究')).fill(study);
  await page.getByRole('button', { name: say('Apply', '应用') }).click();
  await expect(page.locator('.looks')).toContainText('Mei Lin');
  await look(page, '100-looks');
  await page
    .locator('.looks a')
    .filter({ hasText: say('Subject', '受试者') })
    .first()
    .click();
  await expect(page.locator('.submissions > li')).toHaveCount(1);
  await page.getByText(say('Who looked', '谁查看过'), { exact: true }).click();
  await expect(page.locator('.looks')).toContainText('Mei Lin');
  await look(page, '101-subject-looks');

  await page.getByRole('button', { name: say('Erase the subject…', '删除受试者…') }).click();
  await dialog.getByLabel(say('To confirm', '请输入假名')).fill(String(subject).slice(-4));
  await dialog.getByLabel(say('Why?', '原因')).fill(say('Consent withdrawn', '撤回知情同意'));
  await look(page, '102-erase-subject');
  await dialog.getByRole('button', { name: say('Erase for good', '永久删除') }).click();
  await expect(page.locator('.certificate')).toBeVisible();
  await look(page, '103-certificate');
  const { sessions } = await send('GET', '/v1/sessions');
  expect(sessions.filter((one: { subject: string }) => one.subject === `mei.${study}`)).toEqual([]);
  await ward.context().close();
});
