/** Unique visitors of a range: the union of the sketches of the buckets that cover it. */
import type { Bodies } from '../bodies.js';
import { column } from '../formats/table.js';
import { countOf, methodOf, type Answer, type Count } from './answer.js';
import { seriesAnswer, tallyUp, type Asking } from './series.js';

export async function uniques(asking: Asking): Promise<Answer<Bodies['uniques']>> {
  const { engine, generation, question, pace } = asking;
  const identity = await engine.edges.of(generation, pace);
  return seriesAnswer(asking, {
    what: 'uniques',
    identity,
    columns: [
      column('visitors', 'count'),
      column('lower', 'count'),
      column('upper', 'count'),
      column('exact', 'flag'),
    ],
    overlap: (a: Count, b: Count) => a.lower <= b.upper && b.lower <= a.upper,
    read: (tally) => figuresOf(countOf(tally, identity)),
    sumUp: (tally) => {
      const { visitors, ...sureness } = countOf(tally, identity);
      const accuracy = { ...methodOf(generation), ...sureness, ...engine.scopeOf(question.subjects) };
      return { figures: figuresOf({ visitors, ...sureness }), data: { visitors }, accuracy };
    },
  });
}

function figuresOf({ visitors, lower, upper, exact }: Count): Count {
  return { visitors, lower, upper, exact };
}

/** The merged sketch of a range in the DataSketches format. */
export async function sketch(asking: Asking): Promise<Uint8Array> {
  const { engine, generation, pace } = asking;
  const identity = await engine.edges.of(generation, pace);
  return engine.tallied(async (tally) => {
    await tallyUp(tally, asking, asking.question.range, 'uniques');
    return tally.people().union.toSketch().toBytes();
  }, identity);
}
