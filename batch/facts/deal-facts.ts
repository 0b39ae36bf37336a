/** Deals all of the star's pageviews to shards, in threads: the first scan is for the plan, the second deals. */
import { join } from 'node:path';
import type { BucketMinutes } from '../../lib/time/buckets.js';
import type { Star } from '../../master-data/star/star.js';
import { noListener, type Assignment, type FactThreads } from '../fact-threads.js';
import type { Names, Plan } from '../arrays/plan.js';
import { planShards, type ShardSizes } from '../arrays/plan.js';
import { verdicts, type Repeats } from '../arrays/verdict.js';
import type { DealtBlock } from '../arrays/dealt.js';
import type { RowGroup } from '../fact-work.js';

export interface DealOptions {
  readonly sizes: ShardSizes;
  readonly bucketMinutes: BucketMinutes;
  /** Maximum number of facts in memory; the rest goes to files in `tempDir`. */
  readonly factsInMemory: number;
  readonly tempDir: string;
  readonly onRows: (rows: number) => void;
}

export interface DealtFacts {
  readonly plan: Plan;
  readonly blocks: readonly DealtBlock[];
  /** Number of rows by verdict. */
  readonly rowsWith: readonly number[];
}

export async function dealFacts(
  threads: FactThreads,
  groups: readonly RowGroup[],
  names: Names,
  { sizes, bucketMinutes, factsInMemory, tempDir, onRows }: DealOptions,
): Promise<DealtFacts> {
  const surveys = groups.values();
  await threads.each(() => {
    const group = surveys.next().value;
    if (group === undefined) return undefined;
    return { ...noListener, task: { type: 'survey', group }, onReply: () => onRows(group.rows / 2) };
  });
  const pageviews = new Uint32Array(names.pageCount);
  const buckets = new Set<number>();
  for (const reply of await threads.order({ type: 'surveyed' })) {
    if (reply.type !== 'survey') continue;
    reply.survey.pageviews.forEach((views, page) => (pageviews[page] = (pageviews[page] ?? 0) + views));
    for (const bucket of reply.survey.buckets) buckets.add(bucket);
  }
  const plan = planShards(names, pageviews, { buckets: [...buckets], bucketMinutes }, sizes);
  await threads.order({ type: 'plan', plan });
  const blocks: DealtBlock[] = [];
  const rowsWith = Object.values(verdicts).map(() => 0);
  const left = groups.entries();
  let inMemory = 0;
  await threads.each((): Assignment | undefined => {
    const [number, group] = left.next().value ?? [];
    if (number === undefined || group === undefined) return undefined;
    const stays = inMemory + group.rows <= factsInMemory;
    if (stays) inMemory += group.rows;
    return {
      ...noListener,
      task: { type: 'deal', group, spillPath: stays ? undefined : join(tempDir, `facts-${number}`) },
      onReply: (reply) => {
        if (reply.type !== 'dealt') return;
        const { block } = reply.dealt;
        blocks[number] = block;
        if (typeof block.facts !== 'string')
          inMemory += block.facts.byteLength / (4 * block.stride) - group.rows;
        reply.dealt.rowsWith.forEach(
          (rows, verdict) => (rowsWith[verdict] = (rowsWith[verdict] ?? 0) + rows),
        );
        onRows(group.rows / 2);
      },
    };
  });
  return { plan, blocks, rowsWith };
}

/** The row groups of all files of pageviews, limited to rows before the cut. */
export function rowGroupsOf(star: Star, { rowsOf, bits }: Repeats): RowGroup[] {
  return star.factsOf('pageviews').flatMap((facts, file) => {
    let before = 0;
    return facts.groups.flatMap(({ rows: all }, group): RowGroup[] => {
      const rows = Math.min(all, (rowsOf[file] ?? 0) - before);
      const found = { facts, group, rows, before, repeats: bits[file] };
      before += all;
      return rows > 0 ? [found] : [];
    });
  });
}
