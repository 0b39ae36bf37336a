/** How many different people: the sketch of every bucket that covers the range, united. */
import { column } from '../formats/table.js';
import { countOf, methodOf, type Answer } from './answer.js';
import { seriesAnswer, tallyUp, type Asking } from './series.js';

export async function uniques(asking: Asking): Promise<Answer> {
  const { engine, generation, pace } = asking;
  const edges = await engine.edges.of(generation, pace);
  const method = methodOf(generation);
  return seriesAnswer(asking, {
    what: 'uniques',
    columns: [
      column('visitors', 'count'),
      column('lower', 'count'),
      column('upper', 'count'),
      column('exact', 'flag'),
    ],
    read: (tally) => {
      const { maxOvercount, maxUndercount, ...figures } = countOf(tally, edges);
      const { visitors, lower, upper, exact } = figures;
      const accuracy = { ...method, lower, upper, exact, maxOvercount, maxUndercount };
      return { figures, data: { visitors }, accuracy };
    },
  });
}

/** The merged sketch of a range in the DataSketches format. */
export function sketch(asking: Asking): Promise<Uint8Array> {
  return asking.engine.tallied(async (tally) => {
    await tallyUp(tally, asking, asking.question.range, 'uniques');
    return tally.union.toSketch().toBytes();
  });
}
