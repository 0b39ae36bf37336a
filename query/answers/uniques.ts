/** How many different people: the sketch of every bucket that covers the range, united. */
import { column } from '../formats/table.js';
import { accuracyOf, countOf, type Answer } from './answer.js';
import { seriesAnswer, tallyUp, type Asking } from './series.js';

export function uniques(asking: Asking): Promise<Answer> {
  const { generation } = asking;
  return seriesAnswer(asking, {
    what: 'uniques',
    columns: [
      column('visitors', 'count'),
      column('lower', 'count'),
      column('upper', 'count'),
      column('exact', 'flag'),
    ],
    read: (tally) => countOf(tally, generation),
    sumUp: (total) => ({ data: { visitors: total.visitors }, accuracy: accuracyOf(total, generation) }),
  });
}

/** The merged sketch of a range in the DataSketches format. */
export function sketch(asking: Asking): Promise<Uint8Array> {
  return asking.engine.tallied(async (tally) => {
    await tallyUp(tally, asking, asking.question.range, 'uniques');
    return tally.union.toSketch().toBytes();
  });
}
