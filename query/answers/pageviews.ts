/** How many pageviews: counts of every bucket that covers the range, added. */
import { column } from '../formats/table.js';
import type { Answer } from './answer.js';
import { seriesAnswer, type Asking } from './series.js';

export function pageviews(asking: Asking): Promise<Answer> {
  return seriesAnswer(asking, {
    what: 'pageviews',
    columns: [column('pageviews', 'count')],
    read: ({ pageviews: count }) => {
      const figures = { pageviews: count };
      return { figures, data: figures, accuracy: { method: 'count', exact: true } };
    },
  });
}
