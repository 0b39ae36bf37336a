/** Pageviews of a range: the sum over the buckets that cover it. */
import type { Tally } from '../engine/tally.js';
import type { Bodies } from '../bodies.js';
import { column } from '../formats/table.js';
import { waitingIn, type Answer } from './answer.js';
import { seriesAnswer, type SeriesContext } from './series.js';

export function pageviews(context: SeriesContext): Promise<Answer<Bodies['pageviews']>> {
  const accuracy = { method: 'count', exact: true, ...waitingIn(context.generation) } as const;
  return seriesAnswer(context, {
    what: 'pageviews',
    columns: [column('pageviews', 'count')],
    overlap: (a, b) => a.pageviews === b.pageviews,
    read: figuresOf,
    summarize: (tally) => {
      const figures = figuresOf(tally);
      return { figures, data: figures, accuracy };
    },
  });
}

function figuresOf(tally: Tally): { readonly pageviews: number } {
  return { pageviews: tally.pageviews };
}
