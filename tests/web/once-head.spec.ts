/** What the screens compute about signed heads of the log. No application is asked. */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { compareHeads, isSigned, readHead } from '../../functions/web/assets/parts/signed.js';
import { expect, test } from './steps';

type Mark = { name: string; position: string; count: number; hash: string; restarts?: number };

const AT = (n: number) => `2026-03-01T00:00:${String(n).padStart(2, '0')}.000Z`;

function pair() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, key: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64') };
}

/** A head as the clock signs it. */
function headOf({ privateKey, key }: { privateKey: KeyObject; key: string }, n: number, journals: Mark[]) {
  const hash = 'ab'.repeat(32);
  const body = JSON.stringify({ n, at: AT(n), key, previous: hash, journals, all: hash });
  const signature = sign(null, Buffer.from(`vigil head 1\n${body}`), privateKey).toString('base64');
  return `${body.slice(0, -1)},"signature":"${signature}"}`;
}

const mark = (count: number, restarts?: number): Mark => ({
  name: 'A',
  position: `${count}-0`,
  count,
  hash: 'cd'.repeat(32),
  ...(restarts && { restarts }),
});

test('a signature is right for the very bytes that were signed alone', async () => {
  const own = pair();
  const document = headOf(own, 3, [mark(5)]);
  expect(await isSigned(document)).toBe(true);
  const forged = [
    document.replace('"count":5', '"count":4'),
    document.replace('"n":3', '"n": 3'),
    document.replace(own.key, pair().key),
    document.replace(own.key, 'AAAA'),
    document.replace(own.key, '??'),
    document.replace(/"signature":"..../, '"signature":"????'),
    `${document} `,
    '{}',
    'x',
  ];
  for (const one of forged) expect([one, await isSigned(one)]).toEqual([one, false]);
  for (const one of ['', 'x', '[]', 'null', '{"n":1}']) expect(readHead(one)).toBeNull();
});

test('a log that was cut, replaced or begun again shows beside a head that was kept', async () => {
  const own = pair();
  const kept = headOf(own, 3, [mark(5)]);
  const last = headOf(own, 7, [mark(9)]);
  const wrong = async (document: string, now: string, there: string | null) =>
    (await compareHeads(document, now, there)).flatMap(({ check, ok }) => (ok ? [] : check));
  expect(await wrong(kept, last, kept)).toEqual([]);
  expect(await wrong(kept, kept, kept)).toEqual([]);
  // Another journal went on since.
  expect(await wrong(kept, headOf(own, 4, [{ ...mark(1), name: 'B' }]), kept)).toEqual([]);
  expect(await wrong(kept, last, null)).toEqual(['there']);
  expect(await wrong(kept, last, headOf(own, 3, [mark(4)]))).toEqual(['there']);
  expect(await wrong(kept, headOf(own, 2, [mark(4)]), null)).toEqual(['there', 'grows', 'journals']);
  expect(await wrong(kept, headOf(pair(), 7, [mark(9)]), kept)).toEqual(['key']);
  expect(await wrong(kept, headOf(own, 7, [mark(2)]), kept)).toEqual(['journals']);
  expect(await wrong(kept, headOf(own, 7, [mark(9, 1)]), kept)).toEqual(['journals']);
  const forged = kept.replace('"count":5', '"count":4');
  expect(await wrong(forged, last, kept)).toEqual(['kept', 'there']);
  expect(await wrong(kept, '', kept)).toEqual(['last']);
});
