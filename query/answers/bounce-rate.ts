/** Visits and bounces of a domain, by the bucket the visit began in. Only the batch layer knows visits. */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { column } from '../formats/table.js';
import type { TimeRange } from '../question.js';
import { frameOf, round, waitingIn, type Answer } from './answer.js';

export interface BounceQuestion extends TimeRange {
  readonly domain: string;
}

export function bounceRate(
  engine: Engine,
  { batch, realtime }: PinnedGeneration,
  question: BounceQuestion,
): Answer<Bodies['bounceRate']> {
  const { domain, range } = question;
  let visits = 0;
  let bounces = 0;
  batch.forEachVisitBucket(domain, range.from, range.to, (cell) => {
    visits += cell.visits;
    bounces += cell.bounces;
  });
  const rate = visits === 0 ? null : round(bounces / visits, 6);
  return {
    body: {
      data: {
        domain,
        visits,
        bounces,
        rate,
        through: new Date(batch.meta.createdAt).toISOString(),
        ...(visits === 0 ? { emptyReason: 'no-visits-in-range' } : {}),
      },
      accuracy: { method: 'count', exact: true, ...waitingIn({ realtime }) },
      ...frameOf(engine, { batch, realtime: undefined }, question),
    },
    table: {
      columns: [
        column('domain', 'text'),
        column('visits', 'count'),
        column('bounces', 'count'),
        column('rate', 'number'),
      ],
      rows: [[domain, visits, bounces, rate]],
    },
  };
}
