/**
 * From equiv edges to persons. DuckDB decides which edges live and puts their ids in order; from there on ids are
 * numbers, and joining and grouping them is work on typed arrays.
 */
import { PackedTexts } from '../../lib/packed-texts.js';
import { textIn, words } from '../columns.js';
import type { BatchDb } from '../database.js';
import { IdTable } from '../id-table.js';
import { Persons, type PersonStatistics } from './persons.js';

const sampledEdges = 200;

export interface ResolvedPersons {
  /** Visitor ids that live edges name, in UTF-8 byte order. */
  readonly ids: PackedTexts;
  /** Numbers of ids, person after person, in order of their PersonIDs; within a person in order. */
  readonly members: Uint32Array;
  /** DuckDB's hashes of the members, as pairs of words. */
  readonly hashes: Uint32Array<ArrayBuffer>;
  /** Where each person ends in `members`. Persons have two or more ids. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly statistics: PersonStatistics;
  /** Edge facts that may join, and those of them that live. */
  readonly edges: number;
  readonly liveEdges: number;
  /** The largest components over the cap: their least ids, and how many they have. */
  readonly capped: readonly { readonly id: string; readonly size: number }[];
  /** Both ends of some of the edges, for verification. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

/**
 * @param maxIds components of more ids are left unjoined; 0: no cap
 * @param onTurn called now and then; what it throws ends the work
 */
export async function resolvePersons(
  db: BatchDb,
  maxIds: number,
  onTurn: () => void,
): Promise<ResolvedPersons> {
  for (const statement of ['edges', 'live-edges', 'edge-ids']) {
    await db.run(statement);
    onTurn();
  }
  const ids = await readIds(db);
  const { hashes, numbers } = await readHashes(db, ids.count);
  const persons = new Persons(ids.count);
  const sample = new EdgeSample(sampledEdges);
  for await (const chunk of db.stream('edge-hashes')) {
    const ends = [words(chunk, 0), words(chunk, 1)] as const;
    const count = chunk.rowCount;
    for (let low = 0; low < 2 * count; low += 2) {
      const a = numbers.get(ends[0][low] ?? 0, ends[0][low + 1] ?? 0);
      const b = numbers.get(ends[1][low] ?? 0, ends[1][low + 1] ?? 0);
      persons.join(a, b);
      sample.offer(a, b, (ends[0][low] ?? 0) ^ (ends[1][low + 1] ?? 0));
    }
    onTurn();
  }
  const [edges, liveEdges] = [await db.countOf('edge'), await db.countOf('live_edge')];
  for (const table of ['edge', 'live_edge', 'edge_id']) await db.drop(table);
  const { roots, statistics, capped } = persons.finish(maxIds);
  const { members, ends } = membersByRoot(roots);
  return {
    ids,
    members,
    hashes: hashesOf(members, hashes),
    ends,
    statistics,
    edges,
    liveEdges,
    capped: capped.map(({ least, size }) => ({ id: ids.text(least), size })),
    sampledEdges: sample
      .edges()
      .filter(([a, b]) => roots[a] === roots[b])
      .map(([a, b]) => [ids.text(a), ids.text(b)] as const),
  };
}

/** The numbers of each person's ids. */
export function* personsOf({
  members,
  ends,
}: Pick<ResolvedPersons, 'members' | 'ends'>): Generator<Uint32Array> {
  let from = 0;
  for (const to of ends) {
    yield members.subarray(from, to);
    from = to;
  }
}

async function readIds(db: BatchDb): Promise<PackedTexts> {
  const ids = new PackedTexts();
  for await (const chunk of db.stream('edge-id-texts')) {
    for (let row = 0; row < chunk.rowCount; row++) ids.add(textIn(chunk.getColumnVector(0), row));
  }
  return ids;
}

async function readHashes(db: BatchDb, count: number): Promise<{ hashes: Uint32Array; numbers: IdTable }> {
  const hashes = new Uint32Array(2 * count);
  const numbers = new IdTable(count);
  let number = 0;
  for await (const chunk of db.stream('edge-id-hashes')) {
    const column = words(chunk, 0);
    const rows = chunk.rowCount;
    numbers.bringNear(column, 0, rows);
    for (let row = 0; row < rows; row++, number++) {
      const low = column[2 * row] ?? 0;
      const high = column[2 * row + 1] ?? 0;
      hashes[2 * number] = low;
      hashes[2 * number + 1] = high;
      if (numbers.get(low, high) < 0) numbers.add(low, high, number);
    }
  }
  return { hashes, numbers };
}

/** Groups ids by their roots: a counting sort. Ids that stand alone are left out. */
function membersByRoot(roots: Int32Array): Pick<ResolvedPersons, 'members' | 'ends'> {
  const sizes = new Uint32Array(roots.length);
  for (const root of roots) sizes[root] = (sizes[root] ?? 0) + 1;
  const next = new Uint32Array(roots.length);
  const ends: number[] = [];
  let total = 0;
  for (let root = 0; root < roots.length; root++) {
    const size = sizes[root] ?? 0;
    if (size < 2) continue;
    next[root] = total;
    total += size;
    ends.push(total);
  }
  const members = new Uint32Array(total);
  for (let id = 0; id < roots.length; id++) {
    const root = roots[id] ?? 0;
    if ((sizes[root] ?? 0) < 2) continue;
    const at = next[root] ?? 0;
    members[at] = id;
    next[root] = at + 1;
  }
  return { members, ends: Uint32Array.from(ends) };
}

/** @param hashes by id number */
function hashesOf(members: Uint32Array, hashes: Uint32Array): Uint32Array<ArrayBuffer> {
  const found = new Uint32Array(2 * members.length);
  members.forEach((number, i) => {
    found[2 * i] = hashes[2 * number] ?? 0;
    found[2 * i + 1] = hashes[2 * number + 1] ?? 0;
  });
  return found;
}

/** The edges with the least mixed hashes: a sample that does not depend on their order. */
class EdgeSample {
  readonly #size: number;
  #kept: { readonly a: number; readonly b: number; readonly mixed: number }[] = [];
  #greatest = Number.POSITIVE_INFINITY;

  constructor(size: number) {
    this.#size = size;
  }

  offer(a: number, b: number, mixed: number): void {
    if (mixed >= this.#greatest) return;
    this.#kept.push({ a, b, mixed });
    if (this.#kept.length >= 2 * this.#size) this.#cut();
  }

  edges(): readonly (readonly [number, number])[] {
    this.#cut();
    return this.#kept.map(({ a, b }) => [a, b]);
  }

  #cut(): void {
    this.#kept = this.#kept
      .toSorted((x, y) => x.mixed - y.mixed || x.a - y.a || x.b - y.b)
      .slice(0, this.#size);
    if (this.#kept.length === this.#size) this.#greatest = this.#kept.at(-1)?.mixed ?? this.#greatest;
  }
}
