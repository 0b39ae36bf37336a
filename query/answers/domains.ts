/** The domains either layer has seen, for pickers. */
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import { column } from '../formats/table.js';
import { frameOf, type Answer } from './answer.js';

export interface DomainsQuestion {
  /** Only domains that contain it. */
  readonly contains: string;
  readonly limit: number;
}

const domainsBetweenLooks = 1_000;

export async function domains(
  engine: Engine,
  generation: Generation,
  { contains, limit }: DomainsQuestion,
  pace: Pace,
): Promise<Answer> {
  const found = new Set<string>();
  let looked = 0;
  for (const source of [generation.realtime?.domains() ?? [], generation.batch.domains()]) {
    for (const domain of source) {
      if (domain.includes(contains)) found.add(domain);
      if (++looked % domainsBetweenLooks === 0 && pace.due) await pace.rest();
    }
  }
  const ascending = [...found].toSorted();
  const listed = ascending.slice(0, limit);
  return {
    body: {
      data: { domains: listed, more: ascending.length > limit },
      ...frameOf(engine, generation),
    },
    table: { columns: [column('domain', 'text')], rows: listed.map((domain) => [domain]) },
  };
}
