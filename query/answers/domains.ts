/**
 * The domains that either layer has seen, for pickers. Both layers list them in order, so reading stops once the page is full. The order never
 * changes, so a cursor is the last domain of the page before and stays valid in later views.
 */
import { z } from 'zod';
import { mergeAscendingAsync } from '../../lib/memory/merge-ascending.js';
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import { nextOf, Paged, type Paging } from '../paging.js';
import { envelopeOf, type Answer } from './answer.js';

export interface DomainsQuestion {
  /** Only domains that contain this text. */
  readonly contains: string;
  /** Only this domain, if it was seen. */
  readonly only?: string | undefined;
  readonly paging: Paging<Position>;
}

const positionSchema = z.object({ after: z.string() });
export type Position = z.output<typeof positionSchema>;

export const pagedDomains = new Paged(positionSchema);

const domainsBetweenLooks = 64;

export async function domains(
  engine: Engine,
  generation: PinnedGeneration,
  { contains, only, paging }: DomainsQuestion,
  pace: Pace,
): Promise<Answer<Bodies['domains']>> {
  const { limit, after } = paging;
  const listed: string[] = [];
  let more = false;
  let looked = 0;
  const { batch, realtime } = generation;
  for await (const domain of mergeAscendingAsync([realtime?.domains() ?? [], batch.domains()])) {
    if (
      (only === undefined || domain === only) &&
      domain.includes(contains) &&
      (after === undefined || domain > after.after)
    ) {
      more = listed.length === limit;
      if (more) break;
      listed.push(domain);
    }
    if (++looked % domainsBetweenLooks === 0 && pace.due) await pace.rest();
  }
  const last = more ? listed.at(-1) : undefined;
  const next = nextOf(paging, last === undefined ? undefined : { after: last });
  return {
    ...next,
    body: {
      data: { domains: listed, more, ...next },
      ...envelopeOf(engine, generation),
    },
    table: { columns: [column('domain', 'text')], rows: listed.map((domain) => [domain]) },
  };
}
