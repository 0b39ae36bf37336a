/** Unique visitors of a range: the union of the sketches of the buckets that cover it. */
import type { Bodies } from '../bodies.js';
import { column } from '../formats/table.js';
import { countOf, methodOf, type Answer, type Count } from './answer.js';
import { seriesAnswer, tallyUp, type SeriesContext } from './series.js';

export async function uniques(context: SeriesContext): Promise<Answer<Bodies['uniques']>> {
  const { engine, generation, question, pace } = context;
  const identity = await engine.edges.of(generation, pace);
  return seriesAnswer(context, {
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
    summarize: (tally) => {
      const { visitors, ...bounds } = countOf(tally, identity);
      const accuracy = { ...methodOf(generation), ...bounds, ...engine.scopeOf(question.subjects) };
      return { figures: figuresOf({ visitors, ...bounds }), data: { visitors }, accuracy };
    },
  });
}

function figuresOf({ visitors, lower, upper, exact }: Count): Count {
  return { visitors, lower, upper, exact };
}

/** The merged sketch of a range in the DataSketches format. */
export async function sketch(context: SeriesContext): Promise<Uint8Array> {
  const { engine, generation, pace } = context;
  const identity = await engine.edges.of(generation, pace);
  return engine.tallied(async (tally) => {
    await tallyUp(tally, context, context.question.range, 'uniques');
    return tally.people().union.toSketch().toBytes();
  }, identity);
}
