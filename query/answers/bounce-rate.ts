/**
 * Bounce rate of a domain: visits and bounces, counted in the bucket in which the visit began. From the batch layer alone; the speed layer does not
 * know visits.
 */
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { column } from '../formats/table.js';
import type { TimeRange } from '../question/time-range.js';
import { envelopeOf, waitingIn, type Answer } from './answer.js';
import { rateOf, throughOf, visitsIn } from './visits.js';

export interface BounceQuestion extends TimeRange {
  readonly domain: string;
}

export function bounceRate(
  engine: Engine,
  { batch, realtime }: PinnedGeneration,
  question: BounceQuestion,
): Answer<Bodies['bounceRate']> {
  const { domain, range } = question;
  const sums = visitsIn(batch, domain, range);
  const { visits, bounces } = sums;
  const rate = rateOf(bounces, sums);
  return {
    body: {
      data: { domain, visits, bounces, rate, ...throughOf(batch, sums) },
      accuracy: { method: 'count', exact: true, ...waitingIn({ realtime }) },
      ...envelopeOf(engine, { batch, realtime: undefined }, question),
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
