/** Compares the libraries that the screens carry with the packages of the registry, byte for byte. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FOLDER = resolve(import.meta.dirname, '../../functions/web/assets/vendor');
const PACKAGES = join(import.meta.dirname, 'node_modules');

/** @param {string[]} path */
const read = (...path) => readFileSync(join(...path));
/** @param {string[]} path */
const json = (...path) => JSON.parse(read(...path).toString());

let wrong = 0;
/** @param {boolean} holds @param {string} what */
const check = (holds, what) => {
  if (holds) return;
  console.error(`vendor: ${what}`);
  wrong += 1;
};

for (const { file, package: name, version, path, licence, licenceFile, sha256 } of json(FOLDER, 'vendor.json')) {
  const own = read(FOLDER, file);
  const published = json(PACKAGES, name, 'package.json');
  check(createHash('sha256').update(own).digest('hex') === sha256, `${file} has another SHA-256`);
  check(published.version === version, `${name} is ${published.version} in package-lock.json, not ${version}`);
  check(published.license === licence, `${name} has the licence ${published.license}`);
  check(own.equals(read(PACKAGES, name, path)), `${file} is not ${path} of ${name}`);
  check(
    read(FOLDER, licenceFile).equals(read(PACKAGES, name, 'LICENSE')),
    `${licenceFile} is not the licence of ${name}`,
  );
}
process.exitCode = wrong ? 1 : 0;
