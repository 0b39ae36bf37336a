import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { assetPath } from '../../lib/files/assets.js';
import { allBucketMinutes, widthOf, type BucketWidth } from '../../lib/time/buckets.js';
import { fixedWords, type DealtBlock } from '../arrays/dealt.js';
import { Buckets } from '../sorts/buckets.js';
import { CellPass } from '../arrays/cell-pass.js';
import type { SortJob, SortTables } from '../arrays/sort-job.js';
import { sortTools } from '../arrays/sort-tools.js';
import { VisitPass } from '../arrays/visit-pass.js';
import { blocksOf, visitsByDomain, type TwinBlock, type TwinFact } from './kernel-twin.js';
import { tempDir } from '../../test/temp-dir.js';

test('the embedded WebAssembly is what sort-kernel.wat assembles to, byte for byte', () => {
  const [tool = '', source = ''] = [
    'hyperloglog-ts/dist/tools/assemble-kernels.js',
    'batch/arrays/sort-kernel.wat',
  ].map(assetPath);
  execFileSync(process.execPath, [tool, '--check', source], { stdio: 'pipe' });
});

const firstTime = Date.UTC(2024, 0, 28);
/** Two pages per domain. */
const domainOf = (page: number): number => page >>> 1;

/** Facts of some pages: adjacent or distant buckets, few or many people, and duplicates. */
const factsArbitrary = fc
  .record({
    seed: fc.integer(),
    count: fc.integer({ min: 1, max: 3_000 }),
    pages: fc.integer({ min: 1, max: 8 }),
    people: fc.constantFrom(1, 3, 40, 100_000),
    buckets: fc.constantFrom(1, 5, 40, 2_000),
    width: fc.constantFrom(...allBucketMinutes.map(widthOf)),
    lgK: fc.constantFrom(4, 8, 11),
  })
  .map(({ seed, count, pages, people, buckets, width, lgK }) => {
    let state = seed | 1;
    const random = (below: number): number => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
      return ((state ^ (state >>> 13)) >>> 0) % below;
    };
    const facts = Array.from({ length: count }, (): TwinFact => {
      const person = random(people);
      return {
        page: random(pages) * random(2), // half of them are of page 0
        person,
        bucket: width.at(firstTime) + random(buckets) * (random(3) === 0 ? 1 : 2),
        millisecond: random(4) === 0 ? random(3) * 1_800_000 - (random(2) === 0 ? 1 : 0) : random(width.ms),
        coupon: ((1 + (person % 37)) << 26) | (Math.imul(person, 0x9e3779b1) >>> 6),
      };
    }).map((fact) => ({
      ...fact,
      millisecond: Math.max(0, Math.min(width.ms - 1, fact.millisecond)),
      coupon: fact.coupon >>> 0,
    }));
    return { facts, width, lgK, pages };
  });

function tablesOf(
  facts: readonly TwinFact[],
  lgK: number,
  pages: number,
  { minutes }: BucketWidth,
): SortTables {
  const buckets = Uint32Array.from(new Set(facts.map(({ bucket }) => bucket))).toSorted();
  const half = Math.ceil(facts.length / 2);
  const blocks = [facts.slice(0, half), facts.slice(half)].map((own): DealtBlock => {
    const memory = new SharedArrayBuffer(4 * fixedWords * own.length);
    const ranks = own.map(({ bucket }) => buckets.indexOf(bucket));
    new Uint32Array(memory).set(
      own.flatMap(({ page, person, millisecond, coupon }, i) => [
        page,
        person,
        ranks[i] ?? 0,
        millisecond,
        coupon,
      ]),
    );
    const [fromBucket, toBucket] = [Math.min(...ranks), Math.max(...ranks) + 1];
    return { facts: memory, stride: fixedWords, starts: Uint32Array.of(0, own.length), fromBucket, toBucket };
  });
  const domainOfRank = Uint32Array.from({ length: pages }, (_, page) => domainOf(page));
  return { domainOfRank, dimensions: [], buckets, bucketMinutes: minutes, lgK, blocks, jobRows: 1 };
}

const dir = tempDir('kernel');
let files = 0;
const bucketsAnywhere = (lgK: number, width: BucketWidth): Buckets =>
  new Buckets((kind) => join(dir, `${kind}-${files++}`), { pages: 1, domains: 8 }, [], lgK, width);

const noFiles = (): never => assert.fail('all facts are in memory');
const silent = { onRows: () => undefined, onBlocks: () => undefined };
const span = { fromShard: 0, toShard: 1, rows: 0, from: 0, part: undefined };

test('cells equal those of the TypeScript twin, byte for byte: flat blocks, days and months, base buckets with many people', () => {
  fc.assert(
    fc.property(factsArbitrary, ({ facts, width, lgK, pages }) => {
      const tables = tablesOf(facts, lgK, pages, width);
      const pass = new CellPass(sortTools(tables, noFiles));
      for (const kind of ['pages', 'domains'] as const) {
        const subjectOf = kind === 'pages' ? (page: number) => page : domainOf;
        const found: Uint8Array[] = [];
        const job: SortJob = { ...span, kind, to: subjectOf(pages - 1) + 1 };
        const result = pass.run(job, kind, { ...silent, onBlocks: (bytes) => found.push(bytes) });
        const bytes = Buffer.concat(found);
        let at = 0;
        const blocks = Array.from(result.subjects, (subject, i): TwinBlock => {
          const from = at;
          at += result.lengths[i] ?? 0;
          const block = {
            bytes: new Uint8Array(bytes.subarray(from, at)),
            tableLength: result.tableLengths[i] ?? 0,
          };
          return { subject, ...block, pageviews: result.pageviews[i] ?? 0 };
        });
        assert.deepEqual(blocks, blocksOf(facts, subjectOf, lgK, width));
        assert.equal(at, bytes.length);
      }
    }),
    { numRuns: 60 },
  );
});

test('joining the monthly parts of a subject gives the same block, also when parts of another kind come between them', () => {
  const months = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 3 }); // boundaries between parts, in days
  fc.assert(
    fc.property(factsArbitrary, months, ({ facts: all, width, lgK }, days) => {
      const facts = all.map((fact) => ({ ...fact, page: 0 }));
      const tables = tablesOf(facts, lgK, 1, width);
      const pass = new CellPass(sortTools(tables, noFiles));
      const ranks = days.map((day) => {
        const month = width.at(monthStart(firstTime + day * 86_400_000));
        const rank = tables.buckets.findIndex((bucket) => bucket >= month);
        return rank < 0 ? tables.buckets.length : rank;
      });
      const cuts = [...new Set([0, ...ranks, tables.buckets.length])].toSorted((a, b) => a - b);
      const built = bucketsAnywhere(lgK, width);
      const kinds = ['pages', 'domains'] as const;
      const written = { pages: [] as Uint8Array[], domains: [] as Uint8Array[] };
      for (const kind of kinds) built[kind].write = (bytes) => void written[kind].push(bytes.slice());
      const parts = cuts.length - 1;
      for (let index = 0; index < parts; index++) {
        const part = { index, parts, fromBucket: cuts[index] ?? 0, toBucket: cuts[index + 1] ?? 0 };
        for (const kind of kinds) {
          const job: SortJob = { ...span, kind, to: 1, part };
          built.addResult(job, pass.run(job, kind, silent));
        }
      }
      const [expected] = blocksOf(facts, () => 0, lgK, width);
      for (const kind of kinds) {
        assert.deepEqual(Buffer.concat(written[kind]), Buffer.from(expected?.bytes ?? []));
        assert.equal(built[kind].places.of(0)?.tableLength, expected?.tableLength);
      }
      built.abandon();
    }),
    { numRuns: 40 },
  );
});

test('a visit may last for 60 days', () => {
  const width = widthOf(60);
  const facts = Array.from({ length: 60 * 48 + 1 }, (_, i): TwinFact => {
    const time = firstTime + i * 1_799_999;
    const bucket = width.at(time);
    return { page: 0, person: 3, bucket, millisecond: time - bucket * width.ms, coupon: 1 << 26 };
  });
  const pass = new VisitPass(sortTools(tablesOf(facts, 8, 1, width), noFiles));
  const built = bucketsAnywhere(8, width);
  const job: SortJob = { ...span, kind: 'visits', to: 1 };
  built.addResult(job, pass.run(job, silent));
  assert.deepEqual(built.visits, visitsByDomain(facts, domainOf, width));
  built.abandon();
});

/** Start of the month of a time. */
function monthStart(time: number): number {
  const date = new Date(time);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

test('visits equal those of the twin, also when computed by shares of the persons', () => {
  fc.assert(
    fc.property(
      factsArbitrary,
      fc.integer({ min: 1, max: 4 }),
      ({ facts: all, width, lgK, pages }, parts) => {
        const facts = parts === 1 ? all : all.map((fact) => ({ ...fact, page: fact.page % 2 }));
        const tables = tablesOf(facts, lgK, pages + 1, width);
        const pass = new VisitPass(sortTools(tables, noFiles));
        const built = bucketsAnywhere(lgK, width);
        for (let index = 0; index < parts; index++) {
          const part =
            parts === 1 ? undefined : { index, parts, fromBucket: 0, toBucket: tables.buckets.length };
          const job: SortJob = { ...span, kind: 'visits', to: domainOf(pages) + 1, part };
          built.addResult(job, pass.run(job, silent));
        }
        assert.deepEqual(
          new Map([...built.visits].toSorted(([a], [b]) => a - b)),
          visitsByDomain(facts, domainOf, width),
        );
        built.abandon();
      },
    ),
    { numRuns: 60 },
  );
});
