/** The busiest pages of a domain in a range, by pageviews. Sketches are merged for the listed pages only. */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { pagesOf } from '../engine/listing.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import type { TimeRange } from '../question/time-range.js';
import { envelopeOf, methodOf, type Answer } from './answer.js';
import { emptinessOf } from './empty.js';
import { nextOf, type Paging } from '../paging.js';
import { topOf, type Position } from './top.js';

export interface PagesQuestion extends TimeRange {
  readonly domain: string;
  readonly paging: Paging<Position>;
}

export async function pages(
  engine: Engine,
  generation: PinnedGeneration,
  question: PagesQuestion,
  pace: Pace,
): Promise<Answer<Bodies['pages']>> {
  const { domain, range, paging } = question;
  const top = { listing: pagesOf(domain), range, ...paging, by: 'pageviews' } as const;
  const { rows, limits, isRanked, next: position } = await topOf(engine, generation, top, pace);
  const isEmpty = rows.length === 0;
  const next = nextOf(paging, position);
  return {
    body: {
      data: {
        domain,
        pages: rows.map(({ name: url, ...counts }) => ({ url, ...counts })),
        ...next,
        ...(isEmpty ? await emptinessOf(engine, generation, [{ kind: 'domain', domain }], pace) : {}),
      },
      accuracy: {
        ...methodOf(generation),
        ...limits,
        ranked: isRanked ? 'all' : 'part',
        ...engine.scopeOf([{ kind: 'domain', domain }]),
      },
      ...envelopeOf(engine, generation, question),
    },
    ...next,
    table: {
      columns: [
        column('url', 'text'),
        column('pageviews', 'count'),
        column('visitors', 'count'),
        column('lower', 'count'),
        column('upper', 'count'),
        column('exact', 'flag'),
      ],
      rows: rows.map((row) => [row.name, row.pageviews, row.visitors, row.lower, row.upper, row.exact]),
    },
  };
}
