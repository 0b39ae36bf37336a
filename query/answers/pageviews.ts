/** Pageviews of a range: the sum over the buckets that cover it. */
import type { Tally } from '../engine/tally.js';
import type { Bodies } from '../bodies.js';
import { column } from '../formats/table.js';
import { waitingIn, type Answer } from './answer.js';
import { seriesAnswer, type Asking } from './series.js';

export function pageviews(asking: Asking): Promise<Answer<Bodies['pageviews']>> {
  const accuracy = { method: 'count', exact: true, ...waitingIn(asking.generation) } as const;
  return seriesAnswer(asking, {
    what: 'pageviews',
    columns: [column('pageviews', 'count')],
    overlap: (a, b) => a.pageviews === b.pageviews,
    read: figuresOf,
    sumUp: (tally) => {
      const figures = figuresOf(tally);
      return { figures, data: figures, accuracy };
    },
  });
}

function figuresOf(tally: Tally): { readonly pageviews: number } {
  return { pageviews: tally.pageviews };
}
