/** What the screens compute in the browser: differences, places in a text, tables, charts. No application is asked. */

import { hunks, lineDiff } from '../../functions/web/assets/parts/diff.js';
import { placeOf, readPlaces, spanOf } from '../../functions/web/assets/parts/places.js';
import { asCsv, decoded, portions, readRows } from '../../functions/web/assets/parts/rows.js';
import { bounds, columns, gaps, stripes, usualInterval } from '../../functions/web/assets/parts/series.js';
import { expect, key, signIn, test } from './steps';

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
  // A comma at the end says only that a line follows.
  expect(lineDiff('a\n', 'a,\nb\n').map(({ kind }) => kind)).toEqual(['same', 'more']);
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

const documents = (text: string) => readRows(text, 'utf-8')?.rows.map(({ n, raw }) => [n, JSON.parse(raw)]);

test('a line of CSV becomes a report or a response', () => {
  const csv =
    '\uFEFFreportId,patientId,kind,grade,term,seriousnessCriteria,symptoms.0.name,symptoms.0.severity,note\r\n' +
    '007,1,adverse-event,3,"Nausea, ""strong""",death; disability,pain,2.5,"two\nlines"\r\n\r\n8,2,lab,,x,,,,';
  expect(documents(csv)).toEqual([
    [
      2,
      {
        reportId: '007',
        patientId: '1',
        kind: 'adverse-event',
        data: {
          grade: 3,
          term: 'Nausea, "strong"',
          seriousnessCriteria: ['death', 'disability'],
          symptoms: [{ name: 'pain', severity: 2.5 }],
          note: 'two\nlines',
        },
      },
    ],
    [4, { reportId: '8', patientId: '2', kind: 'lab', data: { term: 'x' } }],
  ]);
  expect(documents('instrument;patientId;q1;parameters.age\nphq-2;P-1;3;70\n')).toEqual([
    [2, { instrument: 'phq-2', patientId: 'P-1', answers: { q1: 3 }, parameters: { age: '70' } }],
  ]);
  // Names that mean something to JavaScript are names like others, and figures that are no JSON stay texts.
  expect(readRows('__proto__.a,b\n1,007\n', '')?.rows[0]?.raw).toBe('{"data":{"__proto__":{"a":1},"b":"007"}}');
});

test('JSON rows go on as they are written, and what is no JSON is a fault of its row', () => {
  const long = '{"id": 12345678901234567890, "a": "],"}';
  expect(
    readRows(`[${long}, 7\n, {"b"}, ]`, '')?.rows.map(({ n, raw, findings }) => [n, raw, findings?.length]),
  ).toEqual([
    [1, long, undefined],
    [2, '7', undefined],
    [3, '{"b"}', 1],
  ]);
  expect(readRows(`${long}\n\n{"b"\n`, '')?.rows.map(({ n, findings }) => [n, findings?.length])).toEqual([
    [1, undefined],
    [3, 1],
  ]);
  expect(documents('{\n "a": 1\n}')).toEqual([[1, { a: 1 }]]);
  for (const text of ['', ' \n', '[]', 'header,only\n']) expect(readRows(text, '')).toBeNull();
  const pick = chance(5);
  for (let round = 0; round < 500; round += 1) {
    readRows(Array.from({ length: pick(40) }, () => '[]{},:;"\\a1 \n\t.'[pick(15)]).join(''), '');
  }
});

test('a file is read in its encoding, cut into portions, and given back as it was', () => {
  expect(decoded(Uint8Array.from([0xd6, 0xd0, 0xce, 0xc4]).buffer)).toEqual({ encoding: 'gb18030', text: '中文' });
  const rows = readRows(`a,b\n${'x,"1,2"\n'.repeat(1200)}`, '')?.rows ?? [];
  expect(portions(rows).map(({ length }) => length)).toEqual([500, 500, 200]);
  expect(portions(rows, 500, 100).flat()).toEqual(rows);
  const back = asCsv(['a', 'b'], [{ row: rows[0] as (typeof rows)[0], faults: 'wrong, twice' }]);
  expect(back).toBe('\uFEFF#row,#faults,a,b\r\n2,"wrong, twice",x,"1,2"\r\n');
  expect(readRows(back, '')?.rows[0]?.raw).toBe(rows[0]?.raw);
});

test('a chart breaks its line where an entry is missing, and knows its bands', () => {
  const weeks = [0, 2, 4, 8, 10];
  expect([usualInterval(weeks), [...gaps(weeks)]]).toEqual([2, [3]]);
  // Too few to tell what is usual.
  expect([usualInterval([0, 1, 9]), gaps([0, 1, 9]).size, usualInterval([])]).toEqual([null, 0, null]);
  expect(columns(weeks, [5, null, 7, 8, 9])).toEqual({
    xs: [0, 2, 4, 6, 8, 10],
    ys: [5, null, 7, null, 8, 9],
    places: [0, 1, 2, 4, 5],
  });
  expect(bounds([3, null, 30], { low: 0, high: 27 })).toEqual([0, 30]);
  expect([bounds([5], undefined), bounds([], undefined)]).toEqual([
    [4, 6],
    [0, 1],
  ]);
  const bands = [
    { id: 'low', below: 5 },
    { id: 'mid', from: 5, below: 10 },
    { id: 'top', label: 'Top', from: 27 },
  ];
  expect(stripes(bands, [0, 27])).toEqual([
    { name: 'low', rank: 0, from: 0, to: 5 },
    { name: 'mid', rank: 1, from: 5, to: 10 },
    { name: 'Top', rank: 2, from: 27, to: 27 },
  ]);
});

test('5,000 rows are read, checked and paged without a long task', async ({ page, study }) => {
  await signIn(page, key('coordinator', study), '/batch');
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => {
      tasks.push(...list.getEntries().map(({ duration }) => duration));
    }).observe({ type: 'longtask' });
  });
  const row = `,${study},S1,P-1,adverse-event,2026-11-20T09:00:00+01:00,Nausea,9,false,2026-11-19\n`;
  const csv = `reportId,studyId,siteId,patientId,kind,authoredAt,term,grade,serious,onset\n${Array.from({ length: 5000 }, (_, n) => `ae-${n}${row}`).join('')}`;
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'many.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.getByRole('button', { name: 'Check the rows' }).click();
  await expect(page.getByRole('status').first()).toContainText('5,000 have faults');
  for (let n = 0; n < 10; n += 1) await page.getByRole('button', { name: 'After' }).click();
  await expect(page.locator('.batch tbody th').first()).toHaveText('1,002');
  const tasks = await page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
  console.log(`long tasks, ms: ${tasks.map(Math.round).join(' ')}`);
  expect(Math.max(0, ...tasks)).toBeLessThan(250);
});
