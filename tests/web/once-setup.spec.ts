/** What configuration and batch compute in the browser: differences, places in a text, tables. No application is asked. */

import { hunks, lineDiff } from '../../functions/web/assets/parts/diff.js';
import { placeOf, readPlaces, spanOf } from '../../functions/web/assets/parts/places.js';
import { expect, test } from './steps';

/** Numbers that look like chance and are the same each time. */
function chance(seed: number) {
  let state = seed;
  return (most: number) => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state % most;
  };
}

test('a difference leads from one text to the other, and leaves what is the same', () => {
  const pick = chance(7);
  for (let round = 0; round < 300; round += 1) {
    const text = () => Array.from({ length: pick(12) }, () => 'abcd'[pick(4)]).join('\n');
    const [before, after] = [text(), text()];
    const lines = lineDiff(before, after);
    const side = (left: string) => lines.filter(({ kind }) => kind !== left).map((line) => line.text);
    expect(side('more').join('\n')).toBe(before);
    expect(side('less').join('\n')).toBe(after);
    expect(lineDiff(before, before).every(({ kind }) => kind === 'same')).toBe(true);
  }
  expect(lineDiff('a\nb\nc\n', 'a\nx\nc\n').map(({ kind }) => kind)).toEqual(['same', 'less', 'more', 'same']);
  const long = Array.from({ length: 5000 }, (_, n) => `${n}`);
  const changed = lineDiff(long.join('\n'), long.map((line, n) => (n === 2500 ? 'x' : line)).join('\n'));
  expect(hunks(changed)).toHaveLength(2 + 3 + 2 + 3);
  // Too long for a comparison of each pair: all of one, then all of the other.
  const other = lineDiff(long.join('\n'), long.map((line) => `${line}!`).join('\n'));
  expect([other.length, other[0]?.kind, other.at(-1)?.kind]).toEqual([10000, 'less', 'more']);
});

test('a pointer is found at its line, and what is no JSON at its own', () => {
  const text = '{\n  "a": [\n    1,\n    {"b/c": "}]", "d~": null}\n  ],\n  "é": {\n  }\n}\n';
  const { places, wrong } = readPlaces(text);
  expect(wrong).toBeNull();
  const lines = ['', '/a', '/a/0', '/a/1', '/a/1/b~1c', '/a/1/d~0', '/é', '/é/missing', '/nothing'];
  expect(lines.map((pointer) => placeOf(places, pointer))).toEqual([1, 2, 3, 4, 4, 4, 6, 6, 1]);
  expect(text.slice(...spanOf(text, 3))).toBe('    1,');
  const faults: [string, number][] = [
    ['{\n  "a": 1\n  "b": 2\n}', 3],
    ['{\n  "a": tru\n}', 2],
    ['{\n "a": 1,\n', 3],
    ['', 1],
    ['{"a": "x\ny"}', 1],
  ];
  for (const [broken, line] of faults) expect([broken, readPlaces(broken).wrong]).toEqual([broken, line]);
  // It ends with every text.
  const pick = chance(11);
  for (let round = 0; round < 500; round += 1) {
    readPlaces(Array.from({ length: pick(30) }, () => '{}[],:"\\a1 \n'[pick(12)]).join(''));
  }
});
