/** How the browser tests run: the acts in each language, width and colour scheme; the rest once. */

import { defineConfig } from '@playwright/test';

const WIDTHS = { narrow: { width: 390, height: 844 }, wide: { width: 1280, height: 800 } };
const LANGUAGES = { en: 'en-GB', zh: 'zh-CN' };
const SCHEMES = ['light', 'dark'] as const;

const STATES = ['en-wide-light', 'zh-narrow-dark'];

const tours = Object.entries(LANGUAGES).flatMap(([language, locale]) =>
  Object.entries(WIDTHS).flatMap(([width, viewport]) =>
    SCHEMES.map((colorScheme) => ({
      name: `${language}-${width}-${colorScheme}`,
      // The states of each screen in two of them.
      testMatch: STATES.includes(`${language}-${width}-${colorScheme}`)
        ? [/tour(-setup)?\.spec\.ts/, /states(-setup)?\.spec\.ts/]
        : /tour(-setup)?\.spec\.ts/,
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
      testMatch: [/once(-setup)?\.spec\.ts/, 'picture.spec.ts'],
      use: { locale: 'en-GB', viewport: WIDTHS.wide, colorScheme: 'light' },
    },
    ...tours,
  ],
});
