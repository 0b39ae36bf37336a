/** The keyed hash compared with published vectors and a slow reference implementation, and the table keyed by it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { KeyTable } from '../memory/key-table.js';
import { hashWords, KeyedHash, reservedBytes, slackBytes } from '../memory/keyed-hash.js';
import { sipHashByBigint, type SipRounds } from './sip-hash-by-bigint.js';

const numRuns = Number(process.env['RUNS'] ?? 300);
const root = new URL('../../../', import.meta.url);
const oneThree: SipRounds = { compression: 1, finalization: 3 };
const vectorKey = Uint8Array.from({ length: 16 }, (_, i) => i);

/** Hashes of the bytes 0, 1, 2, ... under the key 000102...0f, by length. */
const vectors: readonly { readonly rounds: SipRounds; readonly hashes: Readonly<Record<number, string>> }[] =
  [
    {
      rounds: { compression: 2, finalization: 4 }, // vectors_sip128 of the reference implementation
      hashes: {
        0: 'a3817f04ba25a8e66df67214c7550293',
        1: 'da87c1d86b99af44347659119b22fc45',
        7: 'a1f1ebbed8dbc153c0b84aa61ff08239',
        8: '3b62a9ba6258f5610f83e264f31497b4',
        15: '5493e99933b0a8117e08ec0f97cfc3d9',
        63: '5150d1772f50834a503e069a973fbd7c',
      },
    },
    {
      rounds: oneThree, // OpenSSL's SIPHASH with c-rounds 1, d-rounds 3, size 16
      hashes: {
        0: 'e77ebcb22788a5befd62db6add303001',
        1: 'fc6f370460d3eda85e0573cc2b2ff063',
        7: '1084b923f2aae0c3a62f2ec80848ab77',
        8: 'aa12fee1d5e3dab4724f16ab35f9c799',
        15: 'c17e5505b2bd526c2921cdec1e7e0109',
        63: '4c5800e34efe426f079f6b0aa75260ad',
        255: 'f528a4c10a2158a5f1a465d0aebb3ee9',
        256: 'f56c8b243a0c025a6a687aa2b99c707a',
      },
    },
  ];

const key = fc.uint8Array({ minLength: 16, maxLength: 16 });
const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 250, maxLength: 300 }));

function hexOf(words: Int32Array, at = 0): string {
  return Buffer.from(words.buffer, words.byteOffset + 4 * at, 16).toString('hex');
}

test('the embedded WebAssembly is what sip-hash.wat assembles to, byte for byte', () => {
  const [tool, source] = ['hyperloglog-ts/dist/tools/assemble-kernels.js', 'lib/memory/sip-hash.wat'].map(
    (path) => fileURLToPath(new URL(path, root)),
  );
  assert.ok(tool !== undefined && source !== undefined);
  execFileSync(process.execPath, [tool, '--check', source], { stdio: 'pipe' });
});

test('the reference implementation, and the kernel for one and three rounds, give the published hashes', () => {
  const hash = new KeyedHash(vectorKey);
  for (const { rounds, hashes } of vectors) {
    for (const [length, expected] of Object.entries(hashes)) {
      const text = Uint8Array.from({ length: Number(length) }, (_, i) => i);
      assert.equal(sipHashByBigint(vectorKey, text, rounds).toString('hex'), expected);
      hash.bytes(text);
      if (rounds === oneThree) assert.equal(hexOf(hash.words), expected, `${length} bytes`);
    }
  }
});

test("a hash is the twin's, of bytes anywhere in an array, whatever was hashed before", () => {
  fc.assert(
    fc.property(key, fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 5 }), (secret, texts) => {
      const hash = new KeyedHash(secret);
      for (const [before, text] of texts) {
        hash.bytes(Buffer.concat([before, text, before]), before.length, before.length + text.length);
        assert.equal(hexOf(hash.words), sipHashByBigint(secret, text, oneThree).toString('hex'));
      }
    }),
    { numRuns },
  );
});

test('a text has the hash of its UTF-8, however long, and half a surrogate pair that of U+FFFD', () => {
  const hash = new KeyedHash();
  const requireSame = (text: string): void => {
    hash.text(text);
    const words = hexOf(hash.words);
    hash.bytes(Buffer.from(text));
    assert.equal(words, hexOf(hash.words));
  };
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), requireSame), { numRuns });
  for (const text of ['\ud800', 'a\udc00b', '€'.repeat(100_000), 'short again']) requireSame(text);
});

test('many texts at once have the hashes they have alone', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 50 }), (texts) => {
      const hash = new KeyedHash();
      const gap = Buffer.from('--');
      const joined = Buffer.concat(texts.flatMap((text) => [text, gap]));
      const lengths = texts.map((text) => text.length);
      const starts = Uint32Array.from(lengths, (_, i) =>
        lengths.slice(0, i).reduce((sum, length) => sum + length + gap.length, 0),
      );
      const ends = starts.map((start, i) => start + (lengths[i] ?? 0));
      const out = new Int32Array(hashWords * texts.length);
      hash.spans({ bytes: joined, sizeBytes: joined.length, starts, ends, count: texts.length }, out);
      texts.forEach((text, i) => {
        hash.bytes(text);
        assert.equal(hexOf(out, hashWords * i), hexOf(hash.words), `text ${i}`);
      });
    }),
    { numRuns },
  );
});

test('a quoted text is hashed up to its quote, if all before it is printable ASCII without a backslash', () => {
  const hash = new KeyedHash();
  const kernels = hash.kernels(1_024);
  const [out, from] = [reservedBytes, 100];
  const plain = fc.string({ unit: fc.constantFrom(...Array.from(' !#[]~azAZ09:/')), maxLength: 60 });
  const special = fc.oneof(fc.nat(31), fc.integer({ min: 127, max: 255 }), fc.constant(0x5c));
  fc.assert(
    fc.property(plain, plain, special, fc.boolean(), fc.nat(130), (text, after, byte, isPlain, room) => {
      const json = Buffer.from(`${text}${isPlain ? '' : '?'}"${after}`);
      if (!isPlain) json[text.length] = byte;
      kernels.bytes.fill(0x22, from); // beyond the limit quotes mean nothing
      kernels.bytes.set(json, from);
      const end = kernels.hashQuoted(from, from + room, out);
      if (!isPlain || text.length >= room) return assert.equal(end, -1);
      assert.equal(end, from + text.length);
      hash.text(text);
      assert.equal(hexOf(new Int32Array(kernels.bytes.buffer, out, hashWords)), hexOf(hash.words));
    }),
    { numRuns: 10 * numRuns },
  );
});

test('a text may end where only the slack is left of the memory', () => {
  const kernels = new KeyedHash().kernels(1);
  const end = kernels.bytes.length - slackBytes;
  kernels.bytes[end - 1] = 0x22;
  assert.equal(kernels.hashQuoted(end - 20, end, reservedBytes), -1); // zeros before the quote
  kernels.hash(end - 20, 20, reservedBytes);
  kernels.bytes.fill(0x61, end - 20, end - 1);
  assert.equal(kernels.hashQuoted(end - 20, end, reservedBytes), end - 1);
});

test('hashers created without a key have different keys, and a key has 16 bytes', () => {
  const [one, other] = [new KeyedHash(), new KeyedHash()];
  one.text('cookie:1');
  other.text('cookie:1');
  assert.notDeepEqual(one.words, other.words);
  assert.throws(() => new KeyedHash(new Uint8Array(15)), /16 bytes/);
});

/** Few different words, many with the same low bits, so that slots collide and runs wrap around the table's end. */
const word = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 1, -1, 255, 254, 511, 767, -256, 2 ** 31 - 1, -(2 ** 31)) },
  { weight: 1, arbitrary: fc.integer() },
);
const value = fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 2), fc.nat(2 ** 31 - 2));
const call = fc.record({ set: fc.boolean(), words: fc.tuple(word, word, word, word), value });

test('the table gives what a Map gives, through collisions and growth', () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 1_500, size: 'max' }), (calls) => {
      const table = new KeyTable();
      const model = new Map<string, number>();
      const hashes = Int32Array.from(calls.flatMap(({ words }) => words));
      table.prefetch(hashes, 0, hashWords);
      calls.forEach(({ set, words, value: stored }, i) => {
        const name = words.join(' ');
        const expected = model.get(name) ?? -1;
        const at = hashWords * i;
        assert.equal(set ? table.set(hashes, at, stored) : table.get(hashes, at), expected, name);
        if (set) model.set(name, stored);
        assert.equal(table.size, model.size);
      });
      for (const [name, stored] of model)
        assert.equal(table.get(Int32Array.from(name.split(' '), Number), 0), stored, name);
    }),
    { numRuns },
  );
});

test('hashes that differ in one word are different keys', () => {
  const table = new KeyTable();
  const hashes = Int32Array.of(7, 7, 7, 7, 8, 7, 7, 7, 7, 8, 7, 7, 7, 7, 8, 7, 7, 7, 7, 8);
  for (let i = 0; i < 5; i++) assert.equal(table.set(hashes, hashWords * i, i), -1);
  for (let i = 0; i < 5; i++) assert.equal(table.get(hashes, hashWords * i), i);
});

test('a table of 100,000 hashes, some of which collide in one slot, distinguishes them', () => {
  const table = new KeyTable();
  const hash = new KeyedHash();
  const hashes = new Int32Array(hashWords * 100_000);
  for (let i = 0; i < 100_000; i++) {
    hash.text(`visitor-${i}`);
    hashes.set(hash.words, hashWords * i);
    if (i < 2_000) hashes[hashWords * i] = 255;
    assert.equal(table.set(hashes, hashWords * i, i), -1);
  }
  for (let i = 0; i < 100_000; i++) assert.equal(table.get(hashes, hashWords * i), i);
  assert.equal(table.size, 100_000);
});
