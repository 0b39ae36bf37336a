/**
 * From the star's edges to persons. DuckDB decides which edges live; their ids are numbers, of which only those that are joined
 * are read as texts, to be put in order: the least of a person is its PersonID.
 */
import { integers } from '../../master-data/columns.js';
import type { Star } from '../../master-data/star/star.js';
import type { BatchDb } from '../database.js';
import { joinedIds, pairsOf, personsOf, sampleOf, writePairs, type Persons } from '../arrays/persons.js';

/** Persons whose edges are read again for verification: as many as have so many ids together. */
const sampledIds = 2_000;

export interface ResolvedPersons extends Persons {
  /** Visitor number of each of the `ids`, ascending. */
  readonly visitors: Uint32Array;
  /** Edge facts that may join, those of them that repeat an earlier one, and those that live. */
  readonly edges: number;
  readonly repeatedEdges: number;
  readonly liveEdges: number;
  /** Of the edge facts, those that take an edge back. */
  readonly retractions: number;
  /** All live edges of some of the persons, as texts, for verification. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

/**
 * @param maxIds components of more ids are left unjoined; 0: no cap
 * @param erased visitor numbers whose edges join no one
 */
export async function resolvePersons(
  db: BatchDb,
  star: Star,
  maxIds: number,
  erased: readonly number[],
): Promise<ResolvedPersons> {
  await db.run('edges', { erased: erased.join() || '0' });
  for (const statement of ['repeated-edges', 'live-edges']) await db.run(statement);
  const counts = {
    edges: await db.countOf('edge'),
    repeatedEdges: await db.countOf('repeated_edge'),
    liveEdges: await db.countOf('live_edge'),
    retractions: await db.countOf('edge where kind = 2'),
  };
  const pairs = new Uint32Array(2 * counts.liveEdges);
  let filled = 0;
  for await (const chunk of db.stream('edge-pairs')) {
    writePairs(pairs, filled, integers(chunk, 0), integers(chunk, 1));
    filled += 2 * chunk.rowCount;
  }
  for (const table of ['edge', 'repeated_edge', 'live_edge']) await db.drop(table);
  const joined = joinedIds(pairs, star.texts('visitors'), star.coupons.length);
  const persons = personsOf(joined, maxIds);
  const sample = new Set(sampleOf(persons, sampledIds));
  const sampledEdges = pairsOf(joined.pairs, sample).map(
    ([a, b]) => [joined.ids.text(a), joined.ids.text(b)] as const,
  );
  return { ...persons, ...counts, visitors: joined.visitors, sampledEdges };
}
