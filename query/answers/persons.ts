/** The person that a visitor id belongs to, by the batch view's mapping and the edges after its cut. */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import { envelopeOf, type Answer } from './answer.js';

/** Maximum number of ids listed per person. */
export const maxIdsListed = 1_000;

export async function person(
  engine: Engine,
  generation: PinnedGeneration,
  visitor: string,
  pace: Pace,
): Promise<Answer<Bodies['person']>> {
  const { realtime } = generation;
  const identity = await engine.edges.of(generation, pace);
  const { ids, ...live } = await identity.personOf(visitor, maxIdsListed, pace);
  return {
    body: {
      data: { visitor, ...live, ids: [...ids], joinedPersons: [...live.joinedPersons] },
      accuracy: {
        method: 'union-find',
        exact: !identity.mayChange(live.batchPerson),
        equivsAfterBatchCut: realtime?.equivsAfterBatchCut ?? 0,
        retractionsAfterBatchCut: realtime?.retractionsAfterBatchCut ?? 0,
      },
      ...envelopeOf(engine, generation),
    },
    table: {
      columns: [column('person', 'text'), column('id', 'text')],
      rows: ids.map((id) => [live.person, id]),
    },
  };
}
