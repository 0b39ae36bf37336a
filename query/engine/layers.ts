/**
 * One layer of a generation alone, for those who want to see what each of them holds. The batch layer is the facts before its cut, people
 * told apart by its mapping. The realtime layer is the facts after that cut, people told apart as in the whole answer. Pageviews of both add up to those
 * of the whole; people do not, since one person may be in both.
 */
import { HttpProblem } from '../../lib/http/problem.js';
import type { BatchView } from '../../facts/views/view.js';
import type { LayerName } from '../bodies.js';
import type { PinnedGeneration } from './generations.js';

/** The whole generation without a name. Throws `not-ready` for a realtime layer that does not serve. */
export function layerOf(generation: PinnedGeneration, name: LayerName | undefined): PinnedGeneration {
  if (name === undefined) return generation;
  const { batch, realtime, cut } = generation;
  const version = `${generation.version}.${name}`;
  if (name === 'batch') return { batch, realtime: undefined, cut: batch.meta.cut, version, layer: name };
  if (realtime === undefined)
    throw new HttpProblem(
      'not-ready',
      'no realtime view serves right now: answers are the batch view alone (layer=batch)',
      { headers: { 'Retry-After': '1' } },
    );
  return { batch: withoutCells(batch), realtime, cut, version, layer: name };
}

/** Its mapping and what it is, and nothing that was counted. */
function withoutCells(batch: BatchView): BatchView {
  return {
    meta: batch.meta,
    forEachBucket: () => undefined,
    forEachVisitBucket: () => undefined,
    pages: () => [],
    values: () => [],
    domains: () => [],
    personOf: (visitor) => batch.personOf(visitor),
    idsOf: (person, limit) => batch.idsOf(person, limit),
    idCountOf: (person) => batch.idCountOf(person),
    exclusions: () => batch.exclusions(),
    close: () => undefined,
  };
}
