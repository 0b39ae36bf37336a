import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { gunzip } from '../gunzip.js';
import { linesOf as linesOfBlock, newByteProgress, readLines, type Line } from '../lines.js';
import { tempDir } from '../../test/temp-dir.js';

function fileOf(bytes: Uint8Array): string {
  const dir = tempDir('lines');
  const path = join(dir, 'lines');
  writeFileSync(path, bytes);
  return path;
}

/** Reads to the end, or until there are `enough` lines; returns their number. */
async function countLines(path: string, enough = Infinity): Promise<number> {
  let count = 0;
  for await (const block of readLines(path, newByteProgress())) {
    count += linesOfBlock(block).length;
    if (count >= enough) break;
  }
  return count;
}

test('zeros after a gzip are padding', { timeout: 60_000 }, async () => {
  const zipped = gzipSync('one\ntwo\n');
  for (const zeros of [1, 512, 300_000, 2_000_000]) {
    const path = fileOf(Buffer.concat([zipped, Buffer.alloc(zeros)]));
    assert.equal(await countLines(path), 2, `${zeros} zeros`);
  }
  assert.equal(await countLines(fileOf(Buffer.concat([zipped, zipped]))), 4, 'two members');
});

test(
  'a file is closed however its reading ends',
  { timeout: 60_000, skip: process.platform !== 'linux' && 'needs /proc' },
  async () => {
    const text = randomBytes(1_000_000).toString('hex').replace(/.{64}/g, '$&\n');
    const zipped = gzipSync(text);
    const corrupt = Buffer.from(zipped).fill(0xff, 400_000, 400_100);
    for (const bytes of [
      Buffer.from(text),
      zipped,
      corrupt,
      Buffer.concat([zipped, Buffer.alloc(2_000_000)]),
    ]) {
      for (const enough of [1, Infinity]) {
        const path = fileOf(bytes);
        const reading = countLines(path, enough);
        if (bytes === corrupt && enough > 1) await assert.rejects(reading, SwaError);
        else await reading;
        while (openFiles().includes(path)) await setImmediate();
      }
    }
  },
);

/** The open files of this process. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // closed since
    }
  });
}

async function linesOf(path: string): Promise<{ lines: Line[]; nulBytes: number }> {
  const progress = newByteProgress();
  const all: Line[] = [];
  for await (const block of readLines(path, progress)) all.push(...linesOfBlock(block));
  return { lines: all, nulBytes: progress.nulBytes };
}

test('NUL bytes are passed over and counted, wherever they stand and however many', async () => {
  // 262,144 bytes are one chunk of a file.
  for (const count of [1, 7, 200_000, 262_143, 262_144, 1_000_000]) {
    const nul = '\0'.repeat(count);
    for (const [text, whole] of [
      [`${nul}a\nb\n`, ['a', 'b']],
      [`a\n${nul}b\n`, ['a', 'b']],
      [`a\nb\n${nul}`, ['a', 'b']],
      [`a\ncut${nul}b\n`, ['a', 'b']],
      [`a\ncut${nul}cut${nul}b\n`, ['a', 'b']],
      [`a\n${nul}\nb\n`, ['a', '', 'b']],
      [nul, []],
    ] as const) {
      for (const bytes of [Buffer.from(text), gzipSync(text)]) {
        const { lines, nulBytes } = await linesOf(fileOf(bytes));
        const what = JSON.stringify(text.replaceAll(nul, '<nul>'));
        assert.deepEqual(
          lines.filter(({ refusal }) => refusal === undefined).map((line) => line.text),
          whole,
          what,
        );
        const cut = lines.filter(({ refusal }) => refusal === 'the line is cut off by NUL bytes');
        assert.deepEqual(
          cut.map(({ number, text: part }) => [number, part]),
          text.includes('cut') ? [[2, 'cut']] : [],
          what,
        );
        assert.equal(nulBytes, text.split('\0').length - 1, what);
      }
    }
  }
});

test('UTF-16 is refused by its byte order mark, with the way on', async () => {
  const path = fileOf(Buffer.from('\ufeffa line\n', 'utf16le'));
  await assert.rejects(linesOf(path), (error) => error instanceof SwaError && /iconv/.test(error.hint ?? ''));
});

test('what is neither text nor gzip is refused with the pipe to use', async () => {
  for (const [hex, hint] of [
    ['28b52ffd0458', /^zstd -dc/],
    ['fd377a585a000004', /^xz -dc/],
    ['425a6839', /^bzip2 -dc/],
    ['504b030414', /^unzip -p/],
    ['5041523115', /--format parquet/],
  ] as const) {
    const path = fileOf(Buffer.from(hex, 'hex'));
    await assert.rejects(
      linesOf(path),
      (error) => error instanceof SwaError && hint.test(error.hint ?? ''),
      hex,
    );
  }
});

test('garbage after a gzip is counted, and every line before it is read', async () => {
  const zipped = gzipSync('one\ntwo\n');
  for (const garbage of [
    'garbage',
    '\x1f',
    '\x1f\x8b',
    '\x1f\x8b\x08\xff0123456789',
    'x'.repeat(1_000_000),
  ]) {
    const bytes = Buffer.from(garbage, 'latin1');
    for (const before of [[zipped], [zipped, zipped], [zipped, Buffer.alloc(512)]]) {
      const progress = newByteProgress();
      let count = 0;
      for await (const block of readLines(fileOf(Buffer.concat([...before, bytes])), progress))
        count += linesOfBlock(block).length;
      assert.equal(count, before[1] === zipped ? 4 : 2);
      assert.equal(progress.garbageBytes, bytes.length);
    }
  }
});

test('a gzip in any pieces is what it was, or an error: members, headers, garbage', async () => {
  const name = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0]),
    Buffer.from('abname\0comment\0HC'),
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ text: fc.string({ maxLength: 3_000 }), named: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
      fc.option(fc.nat()),
      async (members, garbage, sizes, cutAt) => {
        const zipped = members.map(({ text, named }) =>
          named ? Buffer.concat([name, gzipSync(text).subarray(10)]) : gzipSync(text),
        );
        const soundBytes = zipped.reduce((sum, { length }) => sum + length, 0);
        const rest = Buffer.concat([Buffer.from([0x78]), garbage]);
        const all = Buffer.concat([...zipped, rest]);
        const bytes = cutAt === null ? all : all.subarray(0, 1 + (cutAt % all.length));
        let found = 0;
        const parts: Buffer[] = [];
        const reading = (async () => {
          for await (const part of gunzip(inPieces(bytes, sizes), (count) => (found = count)))
            parts.push(part);
        })();
        const text = members.map((member) => member.text).join('');
        if (bytes.length > soundBytes) {
          await reading;
          assert.equal(Buffer.concat(parts).toString(), Buffer.from(text).toString());
          assert.equal(found, bytes.length - soundBytes);
        } else {
          await reading.catch((error: unknown) => assert.equal(systemCode(error), 'Z_BUF_ERROR'));
          assert.ok(Buffer.from(text).subarray(0, Buffer.concat(parts).length).equals(Buffer.concat(parts)));
        }
      },
    ),
    { numRuns: 150 },
  );
});

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

test(
  'a gzip bomb of one endless line is one refused line, in bounded memory',
  { timeout: 120_000 },
  async () => {
    const path = fileOf(gzipSync(Buffer.alloc(200 * 2 ** 20, 'x')));
    const before = process.memoryUsage().rss;
    const { lines } = await linesOf(path);
    assert.deepEqual(
      lines.map(({ refusal }) => refusal),
      ['the line is longer than 65,536 characters'],
    );
    const grownBytes = process.memoryUsage().rss - before;
    assert.ok(grownBytes < 150 * 2 ** 20, `${grownBytes} bytes`);
  },
);

test('what follows the last line end is told apart', async () => {
  const { lines } = await linesOf(fileOf(Buffer.from('a\r\nb\r\nc')));
  assert.deepEqual(
    lines.map(({ text, ended }) => [text, ended]),
    [
      ['a', true],
      ['b', true],
      ['c', false],
    ],
  );
});

/** Reads in a process of its own; returns the result, and by how many bytes the memory grew. */
const readingProcess = `
  const [module, follow, how, path] = process.argv.slice(1);
  const { readLines, linesOf, newByteProgress } = await import(module);
  const { followLines } = await import(follow);
  const stop = new AbortController();
  const blocks = how === 'follow'
    ? followLines(path, newByteProgress(), stop.signal, { pollMs: 5, graceMs: 5 })
    : readLines(path, newByteProgress());
  const before = process.resourceUsage().maxRSS;
  const lines = [];
  for await (const block of blocks)
    for (const { number, text, refusal } of linesOf(block)) {
      lines.push([number, text.length, refusal ?? text.slice(0, 40)]);
      if (text === 'the end') stop.abort();
    }
  process.stdout.write(JSON.stringify({ lines, grownKb: process.resourceUsage().maxRSS - before }));
`;

test(
  'lines of 10 MB are refused with their position, in bounded memory, and the others are read: a file, stdin, a file that is followed',
  { timeout: 120_000 },
  () => {
    const tooLong = 'the line is longer than 65,536 characters';
    const long = Buffer.alloc(10 * 2 ** 20, 'x');
    // Characters of four bytes, so that buffers end within them.
    const emoji = Buffer.from('\u{1f600}'.repeat(2.5 * 2 ** 20));
    const newline = Buffer.from('\n');
    const wide = Buffer.from(`${'\u{1f600}'.repeat(30_000)}\n`);
    const path = fileOf(
      Buffer.concat([
        ...[Buffer.from('first'), long, Buffer.from('between'), emoji].flatMap((bytes) => [bytes, newline]),
        ...Array.from({ length: 20 }, () => wide),
        ...[long, long, Buffer.from('the end')].flatMap((bytes) => [bytes, newline]),
      ]),
    );
    for (const how of ['file', 'stdin', 'follow']) {
      const modules = ['../lines.js', '../follow.js'].map((name) => new URL(name, import.meta.url).href);
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', readingProcess, '--', ...modules, how, how === 'stdin' ? '-' : path],
        { input: how === 'stdin' ? readFileSync(path) : '', encoding: 'utf8' },
      );
      assert.equal(stderr, '');
      const { lines, grownKb } = JSON.parse(stdout) as { lines: unknown[]; grownKb: number };
      assert.deepEqual(
        lines,
        [
          [1, 5, 'first'],
          [2, 65_536, tooLong],
          [3, 7, 'between'],
          [4, 65_536, tooLong],
          ...Array.from({ length: 20 }, (_, i) => [5 + i, 60_000, '\u{1f600}'.repeat(20)]),
          [25, 65_536, tooLong],
          [26, 65_536, tooLong],
          [27, 7, 'the end'],
        ],
        how,
      );
      assert.ok(grownKb < 64 * 1024, `${how}: ${grownKb} KB`);
    }
  },
);
