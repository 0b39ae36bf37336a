/**
 * Resolves persons from the star's edges. DuckDB finds the live edges, by visitor numbers; only ids in live edges are read as texts, to be
 * sorted: the least id of a person is its PersonID.
 */
import { timeStart } from '../../facts/fact.js';
import { integers } from '../../master-data/columns.js';
import type { Star } from '../../master-data/star/star.js';
import type { BatchDb } from '../database.js';
import { joinedIds, pairsOf, personsOf, sampleOf, writePairs, type Persons } from '../arrays/persons.js';

/** Maximum number of ids of the persons whose edges are sampled for verification. */
const sampledIds = 2_000;

export interface ResolvedPersons extends Persons {
  /** Visitor number of each of the `ids`, ascending. */
  readonly visitors: Uint32Array;
  /** Numbers of edge facts that may join, of repeats among them, and of live edges. */
  readonly edges: number;
  readonly repeatedEdges: number;
  readonly liveEdges: number;
  /** Number of edge facts that take an edge back. */
  readonly retractions: number;
  /** All live edges of the sampled persons, as texts, for verification. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

/**
 * @param maxIds components with more ids are left unjoined; 0: no cap
 * @param erased visitor numbers of erased ids, whose edges join nothing
 * @param keptFrom edges with an earlier timestamp join only if one of their ids has a pageview since; -Infinity: all join
 */
export async function resolvePersons(
  db: BatchDb,
  star: Star,
  maxIds: number,
  erased: readonly number[],
  keptFrom: number,
): Promise<ResolvedPersons> {
  await db.run('edges', {
    erased: erased.join() || '0',
    keptFrom: String(Math.max(timeStart, keptFrom)),
  });
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
