/** Who a visitor id belongs to, by the mapping of the generation that answers. */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import { frameOf, type Answer } from './answer.js';

/** Most ids listed of one person. */
export const maxIdsListed = 1_000;

export async function person(
  engine: Engine,
  generation: PinnedGeneration,
  visitor: string,
  pace: Pace,
): Promise<Answer<Bodies['person']>> {
  const { batch, realtime } = generation;
  const personId = batch.personOf(visitor);
  const listed = batch.idsOf(personId, maxIdsListed);
  const edges = await engine.edges.of(generation, pace);
  return {
    body: {
      data: { visitor, person: personId, ids: [...listed], idCount: batch.idCountOf(personId) },
      accuracy: {
        method: 'union-find',
        exact: !edges.mayChange(personId),
        equivsAfterBatchCut: realtime?.equivsAfterBatchCut ?? 0,
        retractionsAfterBatchCut: realtime?.retractionsAfterBatchCut ?? 0,
      },
      ...frameOf(engine, generation),
    },
    table: {
      columns: [column('person', 'text'), column('id', 'text')],
      rows: listed.map((id) => [personId, id]),
    },
  };
}
