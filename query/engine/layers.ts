/**
 * One layer of a generation alone, to show what each contains. The batch layer is the facts before its cut, with people joined by its mapping.
 * The realtime layer is the facts after that cut, with people joined as in the whole answer. The pageviews of both add up to those of the whole;
 * people do not, because one person may be in both.
 */
import { HttpProblem } from '../../lib/http/problem.js';
import type { BatchView } from '../../facts/views/view.js';
import type { LayerName } from '../bodies.js';
import type { PinnedGeneration } from './generations.js';

/** Without a name, the whole generation. Throws `not-ready` for the realtime layer if none serves. */
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

/** The batch view's mapping and metadata without its cells. */
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
