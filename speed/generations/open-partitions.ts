/**
 * Opens partitions for a generation: opens or creates their stores, and fills the deduplication windows for the stores' positions. This takes a
 * while and does not affect running work, so it can be done concurrently.
 */
import { SwaError } from '../../lib/errors/errors.js';
import { DedupWindow } from '../../facts/dedup-window.js';
import type { Rules } from '../../facts/rules.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { checkCut, offsetAt } from '../../log/cut.js';
import { parsePartitionName, type Log, type Offsets, type PartitionName } from '../../log/log.js';
import type { BatchView } from '../../facts/views/view.js';
import { CountingRules } from '../bolts/counting-rules.js';
import { ValueCombinations } from '../bolts/dimension-values.js';
import { PageCache } from '../bolts/page-cache.js';
import { PartitionRepeats } from '../bolts/partition-repeats.js';
import type { PartitionWork } from './partition-work.js';
import { primeRepeats } from '../bolts/prime-repeats.js';
import { SliceReader } from '../bolts/slice-reader.js';
import type { CommitThread } from '../store/commit-thread.js';
import { storeDir } from '../store/layout.js';
import { PartitionStore, readStoreState } from '../store/partition-store.js';
import type { StoreIdentity } from '../store/store-meta.js';
import { ChangeCollector } from '../store/epoch-changes.js';

export interface PartitionOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly rules: Rules;
  /** Hash for texts; one per process. */
  readonly hash: KeyedHash;
  readonly lgK: number;
  readonly dedupWindow: number;
  readonly bootId: string;
  /** Maximum number of edges after the batch cut that are stored, over all partitions. Default: 1,000,000. */
  readonly maxEdges?: number;
  /** Writes the stores; closed by its creator. */
  readonly commits: CommitThread;
  /** Partitions to start with; other workers have the others. */
  readonly partitions: readonly PartitionName[];
  readonly view: BatchView;
  readonly signal?: AbortSignal;
}

export interface OpenPartitions {
  readonly stores: ReadonlyMap<PartitionName, PartitionStore>;
  /** Must not be used if the signal has aborted. */
  readonly work: ReadonlyMap<PartitionName, PartitionWork>;
}

/** Cache sizes over all partitions of the log. */
const rememberedPages = 100_000;
const rememberedCombinations = 100_000;

/**
 * Opens `options.partitions`. Throws `log.mismatch` if this is another log or it ends before what was read, `log.out-of-range` if it was trimmed
 * beyond a position; all stores are closed then.
 */
export async function openPartitions(options: PartitionOptions): Promise<OpenPartitions> {
  const { log, view, hash, signal } = options;
  const stores = new Map<PartitionName, PartitionStore>();
  try {
    await checkCut(log, view.meta.cut, `batch view ${view.meta.id}`);
    const logEnd = await log.latest();
    for (const name of options.partitions) {
      const dir = storeDir(options.dataDir, view.meta.id, name);
      const end = offsetAt(logEnd, name);
      stores.set(name, await PartitionStore.open(dir, identityOf(options, name), end, options.commits));
    }
    const from = positionsOf(stores);
    await checkCut(log, { logId: log.id, next: from }, `the realtime view of ${view.meta.id}`);
    await requireReach(options, from);
    const work = new Map(options.partitions.map((name) => [name, newWork(options)]));
    await primeRepeats(work, {
      log,
      at: from,
      size: options.dedupWindow,
      consumer: consumerOf(options),
      reader: new SliceReader(hash),
      rules: new CountingRules(options.rules, hash, view),
      ...(signal === undefined ? {} : { signal }),
    });
    return { stores, work };
  } catch (error) {
    await closeStores(stores);
    throw error;
  }
}

function newWork({ rules, log, hash, dedupWindow }: PartitionOptions): PartitionWork {
  const share = (remembered: number): number => Math.ceil(remembered / log.partitions.length);
  return {
    pages: new PageCache(rules, share(rememberedPages), hash),
    combinations: new ValueCombinations(share(rememberedCombinations)),
    repeats: new PartitionRepeats(new DedupWindow(dedupWindow)),
    changes: new ChangeCollector(),
  };
}

/** Checks all partitions, including those of other workers, so that no worker waits for a view that another one cannot follow. */
async function requireReach(options: PartitionOptions, ours: Offsets): Promise<void> {
  const { dataDir, log, view } = options;
  const { id, cut } = view.meta;
  const earliest = await log.earliest();
  for (const name of log.partitions) {
    const from = ours[name] ?? readStoreState(storeDir(dataDir, id, name))?.next ?? offsetAt(cut.next, name);
    const begin = offsetAt(earliest, name);
    if (from >= begin) continue;
    throw new SwaError(
      'log.out-of-range',
      `cannot continue from batch view ${id}: it needs ${name} from offset ${from}, but the log begins at ${begin}`,
      { hint: 'create a newer batch view with `swa batch run`' },
    );
  }
}

export async function closeStores(stores: ReadonlyMap<PartitionName, PartitionStore>): Promise<void> {
  for (const store of stores.values()) await store.close();
}

/** The position of each partition: its store has exactly the facts before it. */
export function positionsOf(stores: ReadonlyMap<PartitionName, PartitionStore>): Offsets {
  return Object.fromEntries([...stores].map(([name, store]) => [name, store.progress.next]));
}

/** Consumer name of a generation when it reads the log. */
export function consumerOf({ view }: PartitionOptions): string {
  return `speed-${view.meta.id}`;
}

/** A site with logins has about 300,000 edges between two batch runs. */
const defaultMaxEdges = 1_000_000;

function identityOf(options: PartitionOptions, partition: PartitionName): StoreIdentity {
  const { id, cut } = options.view.meta;
  const partitions = options.log.partitions.filter((name) => parsePartitionName(name).topic === 'equivs');
  return {
    generation: id,
    logId: options.log.id,
    partition,
    from: offsetAt(cut.next, partition),
    lgK: options.lgK,
    rules: options.rules.versions,
    maxEdges: Math.floor((options.maxEdges ?? defaultMaxEdges) / Math.max(1, partitions.length)),
    bootId: options.bootId,
  };
}
