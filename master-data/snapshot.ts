/**
 * Snapshots are what the batch layer reads. A snapshot is one manifest per partition; its files together hold every
 * fact before its cut exactly once. Always take the list of files from here, never from a glob, and verify them before
 * use: DuckDB returns wrong data without an error for many single-bit flips.
 */
import { join } from 'node:path';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import type { Gap } from '../facts/views/view.js';
import { parsePartitionName, type Cut, type Offset, type PartitionName, type Topic } from '../log/log.js';
import { offsetAt } from '../log/cut.js';
import { digestFile, type FileDigest } from '../lib/files/digest.js';
import { partitionDir } from './layout.js';
import { endOf, readHead, readRoot } from './manifest.js';
import { recoverHint } from './sealed-json.js';

export interface SnapshotFile {
  readonly topic: Topic;
  readonly partition: number;
  readonly path: string;
  readonly rows: number;
  readonly fromOffset: Offset;
  /** End exclusive. */
  readonly toOffset: Offset;
  /** SHA-256 of the whole file in lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Range of the facts' own timestamps, UTC ms; null if the file holds no readable fact. */
  readonly minTimestamp: number | null;
  readonly maxTimestamp: number | null;
}

export interface Snapshot {
  readonly cut: Cut;
  /** Ordered by partition as in the log, then by offset. */
  readonly files: readonly SnapshotFile[];
  /** Manifest number of each partition; 0 for a partition without one. */
  readonly manifests: Readonly<Record<PartitionName, number>>;
  /** Offsets that the manifests list as lost; ordered by partition as in the log, then by offset. */
  readonly gaps: readonly Gap[];
}

/**
 * Takes a snapshot of the master dataset. Throws `master.missing` if no sink has created one yet, `master.corrupt` if a
 * manifest is damaged. Files of an unpinned snapshot may be removed by compaction: see `pinSnapshot` in pins.ts.
 */
export function takeSnapshot(dataDir: string): Snapshot {
  const root = readRoot(dataDir);
  if (root === undefined) {
    throw new SwaError('master.missing', `there is no master dataset in '${dataDir}' yet`, {
      hint: 'start the sink (`swa sink` or `swa start`) once, or import some facts',
    });
  }
  const files: SnapshotFile[] = [];
  const next: Record<PartitionName, Offset> = {};
  const manifests: Record<PartitionName, number> = {};
  const gaps: Gap[] = [];
  for (const name of root.body.partitions) {
    const head = readHead(dataDir, root, name);
    const { topic, partition } = parsePartitionName(name);
    const dir = partitionDir(dataDir, name);
    for (const { name: fileName, ...file } of head.files) {
      files.push({ topic, partition, path: join(dir, fileName), ...file });
    }
    for (const { fromOffset, toOffset, acceptedAt } of head.gaps)
      gaps.push({ partition: name, fromOffset, toOffset, acceptedAt });
    next[name] = endOf(head);
    manifests[name] = head.number;
  }
  return { cut: { logId: root.body.logId, next }, files, manifests, gaps };
}

/** Restricts a snapshot to an earlier cut. A compacted file may extend beyond the cut. */
export function snapshotAt(snapshot: Snapshot, cut: Cut): Snapshot {
  const files = snapshot.files.filter(
    ({ topic, partition, fromOffset }) => fromOffset < offsetAt(cut.next, `${topic}/${partition}`),
  );
  const gaps = snapshot.gaps.filter(
    ({ partition, fromOffset }) => fromOffset < offsetAt(cut.next, partition),
  );
  return { ...snapshot, cut, files, gaps };
}

/** Returns the master dataset's cut, or undefined if no sink has created one yet. */
export function masterCut(dataDir: string): Cut | undefined {
  return readRoot(dataDir) === undefined ? undefined : takeSnapshot(dataDir).cut;
}

/**
 * Reads every file and compares its size and SHA-256. Throws `master.corrupt` naming the first damaged file. Calls
 * `onBytes` after each file. Memory is bounded, whatever the size of the files.
 */
export async function verifySnapshotFiles(
  snapshot: Pick<Snapshot, 'files'>,
  options: { readonly signal?: AbortSignal; readonly onBytes?: (sizeBytes: number) => void } = {},
): Promise<void> {
  const queue = snapshot.files.toReversed();
  const verifyNext = async (): Promise<void> => {
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      options.signal?.throwIfAborted();
      await verifyFile(file);
      options.onBytes?.(file.sizeBytes);
    }
  };
  await Promise.all(Array.from({ length: parallelFiles }, verifyNext));
}

/** One file reads while another is hashed. */
const parallelFiles = 3;

async function verifyFile(file: SnapshotFile): Promise<void> {
  const damaged = (what: string, cause?: unknown): SwaError =>
    new SwaError('master.corrupt', `${file.path} ${what}`, {
      cause,
      hint: recoverHint,
    });
  let actual: FileDigest;
  try {
    actual = await digestFile(file.path);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') throw damaged('is missing', cause);
    throw damaged('cannot be read', cause);
  }
  if (actual.sizeBytes !== file.sizeBytes) {
    throw damaged(`has ${actual.sizeBytes} bytes, but its manifest says ${file.sizeBytes}`);
  }
  if (actual.sha256 !== file.sha256) {
    throw damaged(`has SHA-256 ${actual.sha256}, but its manifest says ${file.sha256}`);
  }
}
