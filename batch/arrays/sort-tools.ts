/** A thread's tools for sorting facts. All passes share them, and so use the same memory one after the other. */
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { widthOf } from '../../lib/time/buckets.js';
import { blockHasher } from '../../serving/arrays/written-block.js';
import type { ReadFacts } from './dealt.js';
import { Kernel } from './kernel.js';
import type { SortTables } from './sort-job.js';
import { WordCells } from './word-cells.js';

export interface SortTools {
  readonly tables: SortTables;
  readonly kernel: Kernel;
  readonly cells: WordCells;
  readonly hasher: KeyedHash;
  readonly readFacts: ReadFacts;
}

export function sortTools(tables: SortTables, readFacts: ReadFacts): SortTools {
  const kernel = new Kernel(tables.buckets, { lgK: tables.lgK, width: widthOf(tables.bucketMinutes) });
  return { tables, kernel, cells: new WordCells(tables, kernel), hasher: blockHasher(), readFacts };
}
