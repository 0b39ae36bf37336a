/**
 * Compaction merges many small files into few large ones, in the same order, under a new manifest. It is size-tiered:
 * `fanIn` adjacent files of one tier (or below) are merged into one of the next, so a row is rewritten once per tier,
 * and files larger than half of the limit are not touched again.
 */
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { parsePartitionName, type PartitionName } from '../log/log.js';
import { commitFile, type MasterStore, type NewDataFile } from './commit.js';
import { digestFile } from '../lib/files/digest.js';
import { partitionDir, tempSuffix } from './layout.js';
import type { ChainHead, ManifestFile } from './manifest.js';
import { contentHash, mergeParquet, summarize } from './parquet.js';
import { recoverHint } from './sealed-json.js';

export interface CompactionLimits {
  readonly fanIn: number;
  readonly maxRows: number;
  readonly maxBytes: number;
}

export const compactionLimits: CompactionLimits = { fanIn: 8, maxRows: 2_000_000, maxBytes: 128 * 2 ** 20 };

/** Returns adjacent files to merge next, at least two; undefined if there is nothing to do. */
export function planCompaction(
  files: readonly ManifestFile[],
  limits: CompactionLimits,
): readonly ManifestFile[] | undefined {
  const tierOf = (file: ManifestFile): number =>
    Math.floor(Math.log(Math.max(1, file.rows)) / Math.log(limits.fanIn));
  const isLarge = (file: ManifestFile): boolean =>
    file.rows > limits.maxRows / 2 || file.sizeBytes > limits.maxBytes / 2;
  const topTier = Math.max(0, ...files.map(tierOf));
  for (let tier = 0; tier <= topTier; tier++) {
    let run: ManifestFile[] = [];
    for (const file of files) {
      if (run.at(-1)?.toOffset !== file.fromOffset) run = []; // a gap lies between
      if (isLarge(file) || tierOf(file) > tier) run = [];
      else run.push(file);
      if (run.length >= limits.fanIn) return withinLimits(run, limits);
    }
  }
  return undefined;
}

/** Returns as many files from the start as fit together. Two always fit, because no file is above half of a limit. */
function withinLimits(run: readonly ManifestFile[], limits: CompactionLimits): ManifestFile[] {
  let rows = 0;
  let sizeBytes = 0;
  const chosen: ManifestFile[] = [];
  for (const file of run) {
    rows += file.rows;
    sizeBytes += file.sizeBytes;
    if (rows > limits.maxRows || sizeBytes > limits.maxBytes) break;
    chosen.push(file);
  }
  return chosen;
}

/**
 * Merges once and returns the new head; undefined if there is nothing to merge. The replaced files stay until the next
 * sweep. Throws `master.corrupt` if an input file does not match its manifest. The signal interrupts it, even within a
 * DuckDB statement, until the merged file is about to be committed.
 */
export async function compactOnce(
  store: MasterStore,
  name: PartitionName,
  head: ChainHead,
  limits: CompactionLimits,
  signal: AbortSignal,
): Promise<ChainHead | undefined> {
  const chosen = planCompaction(head.files, limits);
  const [first, last] = [chosen?.[0], chosen?.at(-1)];
  if (chosen === undefined || first === undefined || last === undefined) return undefined;
  await store.shared?.fetch(name, chosen);
  const merged = await untilAborted(signal, store, () => merge(store, name, chosen, signal));
  const file = { ...merged, partition: name, fromOffset: first.fromOffset, toOffset: last.toOffset };
  return commitFile(store, head, file, (old) => !chosen.includes(old));
}

/** Writes the merged temp file and checks that it holds the rows of its inputs. */
async function merge(
  store: MasterStore,
  name: PartitionName,
  chosen: readonly ManifestFile[],
  signal: AbortSignal,
): Promise<Pick<NewDataFile, 'temp' | 'expected'>> {
  const { topic } = parsePartitionName(name);
  const dir = partitionDir(store.dataDir, name);
  const paths = chosen.map((file) => join(dir, file.name));
  for (const [i, file] of chosen.entries()) await checkInput(paths[i] ?? '', file);
  const temp = join(dir, `compaction.parquet${tempSuffix}`);
  signal.throwIfAborted();
  await mergeParquet(store.connection, topic, paths, temp);
  signal.throwIfAborted();
  const before = await contentHash(store.connection, topic, paths);
  signal.throwIfAborted();
  const after = await contentHash(store.connection, topic, [temp]);
  if (before !== after) {
    throw new SwaError('master.corrupt', `${temp} does not hold the rows of the files it was made from`, {
      retryable: true,
      context: { paths },
    });
  }
  signal.throwIfAborted();
  return {
    temp,
    expected: {
      ...(await summarize(store.connection, paths)),
      rows: chosen.reduce((sum, file) => sum + file.rows, 0),
    },
  };
}

/** Interrupts the running statement when the signal aborts. */
async function untilAborted<T>(
  signal: AbortSignal,
  { connection }: MasterStore,
  work: () => Promise<T>,
): Promise<T> {
  const interrupt = (): void => connection.interrupt();
  signal.addEventListener('abort', interrupt);
  try {
    const result = await work();
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

async function checkInput(path: string, file: ManifestFile): Promise<void> {
  const { sha256 } = await digestFile(path);
  if (sha256 === file.sha256) return;
  throw new SwaError('master.corrupt', `${path} does not match the hash in its manifest`, {
    hint: recoverHint,
  });
}
