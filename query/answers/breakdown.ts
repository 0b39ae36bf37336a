/** The values of a dimension of a domain in a range, by visitors. Each value is counted separately, since a person may have several. */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { valuesOf } from '../engine/listing.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import type { TimeRange } from '../question/time-range.js';
import { envelopeOf, methodOf, type Answer } from './answer.js';
import { emptinessOf, type Emptiness } from './empty.js';
import { nextOf, type Paging } from '../paging.js';
import { topOf, type Position, type Top } from './top.js';

export interface BreakdownQuestion extends TimeRange {
  readonly domain: string;
  /** Name of a dimension that is kept. */
  readonly by: string;
  readonly paging: Paging<Position>;
}

export async function breakdown(
  engine: Engine,
  generation: PinnedGeneration,
  question: BreakdownQuestion,
  pace: Pace,
): Promise<Answer<Bodies['breakdown']>> {
  const { domain, by, range, paging } = question;
  const listing = valuesOf(by, domain);
  const top = await topOf(
    engine,
    generation,
    { listing, range, ...paging, by: 'visitors', withOthers: true },
    pace,
  );
  const { rows, limits, others, isRanked } = top;
  const next = nextOf(paging, top.next);
  return {
    body: {
      data: {
        domain,
        by,
        values: rows.map(({ name: value, visitors, pageviews, lower, upper, exact }) => ({
          value,
          visitors,
          pageviews,
          lower,
          upper,
          exact,
        })),
        more: others.atMost > 0,
        others,
        ...next,
        ...(rows.length === 0 ? await whyEmpty(engine, generation, question, top, pace) : {}),
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
        column('value', 'text'),
        column('visitors', 'count'),
        column('pageviews', 'count'),
        column('lower', 'count'),
        column('upper', 'count'),
        column('exact', 'flag'),
      ],
      rows: rows.map((row) => [row.name, row.visitors, row.pageviews, row.lower, row.upper, row.exact]),
    },
  };
}

/** Why there are no values. A view made by an earlier version lacks dimensions that were added later, until the next batch run. */
async function whyEmpty(
  engine: Engine,
  generation: PinnedGeneration,
  { by, domain }: BreakdownQuestion,
  { pageviews }: Top,
  pace: Pace,
): Promise<Emptiness> {
  if (pageviews === 0) return emptinessOf(engine, generation, [{ kind: 'domain', domain }], pace);
  const isHeld = Object.hasOwn(generation.batch.meta.counts.values, by) || generation.realtime !== undefined;
  return { emptyReason: isHeld ? 'no-values-in-range' : 'dimension-not-counted-yet' };
}
