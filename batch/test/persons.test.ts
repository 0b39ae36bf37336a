import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { projectRoot } from '../../lib/files/assets.js';
import { joined } from '../../test/oracle/oracle.js';
import { UnionFind } from '../arrays/persons.js';

const data = join(projectRoot, '..', 'shared', 'data', 'identity');
const noData = existsSync(data) ? false : 'the identity data sets are not here';

type Edge = readonly [number, number];

function rootsOf(count: number, edges: readonly Edge[], maxIds = 0): number[] {
  const persons = new UnionFind(count);
  for (const [a, b] of edges) persons.join(a, b);
  return [...persons.finish(maxIds).roots];
}

/** The oracle uses texts as ids: equal lengths here, so that they sort like the numbers. */
function idOf(number: number): string {
  return String(number).padStart(3, '0');
}

function oracle(count: number, edges: readonly Edge[]): number[] {
  const persons = joined(edges.map(([a, b]) => [idOf(a), idOf(b)]));
  return Array.from({ length: count }, (_, number) => Number(persons.get(idOf(number)) ?? number));
}

const graph = fc.integer({ min: 1, max: 60 }).chain((count) => {
  const id = fc.integer({ min: 0, max: count - 1 });
  return fc.record({ count: fc.constant(count), edges: fc.array(fc.tuple(id, id), { maxLength: 90 }) });
});

test('components and their least ids equal the oracle’s, in any order, doubled and reversed', () => {
  fc.assert(
    fc.property(graph, fc.infiniteStream(fc.nat()), ({ count, edges }, order) => {
      const wanted = oracle(count, edges);
      assert.deepEqual(rootsOf(count, edges), wanted);
      const weights = edges.map(() => Number(order.next().value));
      const shuffled = edges
        .map((edge, i) => ({ edge, weight: weights[i] ?? 0 }))
        .toSorted((a, b) => a.weight - b.weight);
      const doubled = shuffled.flatMap(({ edge: [a, b] }): Edge[] => [
        [b, a],
        [a, b],
      ]);
      assert.deepEqual(rootsOf(count, doubled), wanted);
    }),
    { numRuns: 300 },
  );
});

test('chains of 100,000 in any direction, stars and cliques are one person each', () => {
  const n = 100_000;
  const chain = Array.from({ length: n - 1 }, (_, i): Edge => [i, i + 1]);
  const bits = chain.toSorted(
    ([a], [b]) => (Math.imul(a, 0x9e3779b1) >>> 0) - (Math.imul(b, 0x9e3779b1) >>> 0),
  );
  for (const edges of [chain, chain.toReversed(), bits]) {
    assert.ok(rootsOf(n, edges).every((root) => root === 0));
  }
  const star = Array.from({ length: n - 1 }, (_, i): Edge => [n - 1, i]);
  assert.ok(rootsOf(n, star).every((root) => root === 0));
  const clique = Array.from({ length: 300 * 300 }, (_, i): Edge => [i % 300, Math.floor(i / 300)]);
  assert.ok(rootsOf(300, clique).every((root) => root === 0));
});

test('components above the cap are left unjoined and listed, the largest first; others are not touched', () => {
  const persons = new UnionFind(11);
  for (const [a, b] of [
    [0, 1],
    [1, 2],
    [2, 3],
    [5, 6],
    [6, 7],
    [7, 8],
    [8, 10],
    [4, 9],
  ] as const)
    persons.join(a, b);
  const { roots, statistics, capped } = persons.finish(3);
  assert.deepEqual([...roots], [0, 1, 2, 3, 4, 5, 6, 7, 8, 4, 10]);
  assert.deepEqual(capped, [
    { least: 5, size: 5 },
    { least: 0, size: 4 },
  ]);
  assert.deepEqual(statistics, { joinedIds: 11, components: 1, largestComponent: 5, cappedComponents: 2 });
});

test(
  'labelled records give exactly the 251, 500 and 2,000 entities, and the social graph one',
  { skip: noData },
  () => {
    assert.equal(
      entities(
        splinkPairs(text('splink_fake_1000_labels.csv.gz')),
        splinkIds(text('splink_fake_1000.csv.gz')),
      ),
      251,
    );
    for (const [name, count] of [
      ['febrl_dataset1.csv.gz', 500],
      ['febrl_dataset3.csv.gz', 2000],
    ] as const) {
      const ids = text(name)
        .split('\n')
        .slice(1)
        .map((line) => line.split(',')[0]?.trim() ?? '')
        .filter((id) => id !== '');
      const firstOf = new Map<string, string>();
      const pairs: [string, string][] = [];
      for (const id of ids) {
        const entity = id.split('-')[1] ?? id;
        const first = firstOf.get(entity);
        if (first === undefined) firstOf.set(entity, id);
        else pairs.push([first, id]);
      }
      assert.equal(entities(pairs, ids), count, name);
    }
    const friends = text('facebook_combined.txt.gz')
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    const pairs = friends
      .map(([a, b]): [string, string] => [a ?? '', b ?? ''])
      .filter(([a]) => /^\d+$/.test(a));
    assert.equal(entities(pairs, [...new Set(pairs.flat())]), 1);
  },
);

function text(name: string): string {
  return gunzipSync(readFileSync(join(data, name))).toString('utf8');
}

function entities(pairs: readonly (readonly [string, string])[], ids: readonly string[]): number {
  const numbers = new Map([...new Set(ids)].toSorted().map((id, number) => [id, number]));
  const edges = pairs.map(([a, b]): Edge => [numbers.get(a) ?? 0, numbers.get(b) ?? 0]);
  return new Set(rootsOf(numbers.size, edges)).size;
}

function splinkIds(csv: string): string[] {
  const [header = '', ...lines] = csv.trim().split('\n');
  const column = header.trim().split(',').indexOf('unique_id');
  return lines.map((line) => line.split(',')[column]?.trim() ?? '');
}

function splinkPairs(csv: string): [string, string][] {
  const [header = '', ...lines] = csv.trim().split('\n');
  const names = header.trim().split(',');
  const [left, right] = [names.indexOf('unique_id_l'), names.indexOf('unique_id_r')];
  const score = names.indexOf('clerical_match_score');
  return lines.flatMap((line): [string, string][] => {
    const cells = line.trim().split(',');
    return Number(cells[score]) >= 0.5 ? [[cells[left] ?? '', cells[right] ?? '']] : [];
  });
}
