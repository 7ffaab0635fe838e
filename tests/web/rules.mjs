/** The rules of the screens that a machine can check: no text, no colour and no path of the API where it does not belong. */

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ASSETS = resolve(import.meta.dirname, '../../functions/web/assets');
const LONGEST = 500;

let wrong = 0;
for (const file of readdirSync(ASSETS, { recursive: true, encoding: 'utf8' })) {
  if (file.startsWith('vendor/') || !/\.(js|css)$/.test(file)) continue;
  const text = readFileSync(join(ASSETS, file), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  /** @param {boolean} holds @param {string} what */
  const check = (holds, what) => {
    if (holds) return;
    console.error(`rules: ${file}: ${what}`);
    wrong += 1;
  };
  check(text.startsWith('/*'), 'it does not begin with a sentence about what it is for');
  check(text.split('\n').length <= LONGEST, `it has more than ${LONGEST} lines`);
  check(
    /^api(-\w+)?\.js$/.test(file) || !/['"`]\/(v1|fhir)\//.test(code),
    'it names a path of the API, which belongs to api.js and its like',
  );
  check(
    file === 'style/theme.css' || !/#[0-9a-f]{3,8}\b/i.test(code),
    'it names a colour, which belongs to style/theme.css',
  );
  check(
    !/\b(innerHTML|dangerouslySetInnerHTML|localStorage|document\.cookie|eval)\b/.test(code),
    'it uses what is not allowed',
  );
  const literal = /html`(?:[^`$]|\$(?!\{)|\$\{[^}]*\})*?>\s*([A-Za-z]{3,}[^<$`]*)\s*</.exec(code)?.[1];
  check(file.startsWith('lang/') || !literal, `it has a text, which belongs to lang/: ${literal}`);
}
process.exitCode = wrong ? 1 : 0;
