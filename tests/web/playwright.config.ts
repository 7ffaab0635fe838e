/**
 * How the browser tests run: the acts of clinicians and operators in each language, width and colour scheme; those of others in
 * four that have each pair of these; the states of each screen in two; the rest once.
 */

import { defineConfig } from '@playwright/test';

const WIDTHS = { narrow: { width: 390, height: 844 }, wide: { width: 1280, height: 800 } };
const LANGUAGES = { en: 'en-GB', zh: 'zh-CN' };
const SCHEMES = ['light', 'dark'] as const;

const STATES = ['en-wide-light', 'zh-narrow-dark'];
const PAIRS = ['en-wide-light', 'en-narrow-dark', 'zh-wide-dark', 'zh-narrow-light'];

/** The walks of a project. */
function specs(name: string) {
  const some = [/tour\.spec\.ts/];
  if (PAIRS.includes(name)) some.push(/tour-\w+\.spec\.ts/);
  if (STATES.includes(name)) some.push(/states(-\w+)?\.spec\.ts/);
  return some;
}

const tours = Object.entries(LANGUAGES).flatMap(([language, locale]) =>
  Object.entries(WIDTHS).flatMap(([width, viewport]) =>
    SCHEMES.map((colorScheme) => ({
      name: `${language}-${width}-${colorScheme}`,
      testMatch: specs(`${language}-${width}-${colorScheme}`),
      use: { locale, viewport, colorScheme, hasTouch: width === 'narrow' },
    })),
  ),
);

export default defineConfig({
  testDir: '.',
  globalSetup: './app.mjs',
  outputDir: './results',
  fullyParallel: true,
  workers: 2,
  // What passes at the second try only is reported as flaky.
  retries: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [['list']],
  use: {
    timezoneId: 'Europe/Berlin',
    screenshot: 'only-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
  projects: [
    {
      name: 'once',
      testMatch: [/once(-\w+)?\.spec\.ts/, 'picture.spec.ts'],
      use: { locale: 'en-GB', viewport: WIDTHS.wide, colorScheme: 'light' },
    },
    ...tours,
  ],
});
