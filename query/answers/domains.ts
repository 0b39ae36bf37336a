/** The domains either layer has seen, for pickers. Both lists are in order, so no more is read of them than is listed. */
import { mergeAscendingAsync } from '../../lib/memory/merge-ascending.js';
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import { frameOf, type Answer } from './answer.js';

export interface DomainsQuestion {
  /** Only domains that contain it. */
  readonly contains: string;
  readonly limit: number;
}

const domainsBetweenLooks = 64;

export async function domains(
  engine: Engine,
  generation: PinnedGeneration,
  { contains, limit }: DomainsQuestion,
  pace: Pace,
): Promise<Answer<Bodies['domains']>> {
  const listed: string[] = [];
  let more = false;
  let looked = 0;
  const { batch, realtime } = generation;
  for await (const domain of mergeAscendingAsync([realtime?.domains() ?? [], batch.domains()])) {
    if (domain.includes(contains)) {
      more = listed.length === limit;
      if (more) break;
      listed.push(domain);
    }
    if (++looked % domainsBetweenLooks === 0 && pace.due) await pace.rest();
  }
  return {
    body: {
      data: { domains: listed, more },
      ...frameOf(engine, generation),
    },
    table: { columns: [column('domain', 'text')], rows: listed.map((domain) => [domain]) },
  };
}
