/**
 * The commit of a data file, step by step. What a crash leaves after each step, and how it is repaired:
 *
 *   parquet-written     a temp file, possibly incomplete                       removed at the next start
 *   parquet-checked     a complete temp file, possibly only in the page cache  removed
 *   parquet-synced      a durable temp file                                    removed
 *   file-linked         a data file that no manifest lists                     removed; its facts are read again from the log
 *   directory-synced    the same, durably                                      the same
 *   manifest-committed  the file is part of the master dataset                 nothing to repair
 *
 * The durable link of the manifest is the commit point: before it the facts are read again, after it never.
 */
import { linkSync } from 'node:fs';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { fsyncDir, fsyncLargeFile } from '../lib/files/durable.js';
import { removeScratch } from '../lib/files/removal.js';
import { offset, type Offset, type PartitionName } from '../log/log.js';
import { digestFile } from '../lib/files/digest.js';
import type { Sealed } from '../lib/files/sealed.js';
import { dataFileName, partitionDir } from './layout.js';
import {
  copyManifest,
  linkManifest,
  nextManifest,
  type ChainHead,
  type ManifestChange,
  type ManifestFile,
} from './manifest.js';
import type { Root } from './manifest.js';
import { checkSummary, summarize, type ParquetSummary } from './parquet.js';
import type { SharedMaster } from './shared-master.js';

export const commitSteps = [
  'parquet-written',
  'parquet-checked',
  'parquet-synced',
  'file-linked',
  'directory-synced',
  'manifest-committed',
] as const;
export type CommitStep = (typeof commitSteps)[number];

/** Called after every step; if it throws, the commit fails there. For tests that end the process. */
export type OnStep = (step: CommitStep, partition: PartitionName) => void;

/** The context of a commit. */
export interface MasterStore {
  readonly dataDir: string;
  readonly root: Sealed<Root>;
  readonly connection: DuckDBConnection;
  readonly onStep: OnStep;
  /** The dataset shared with other hosts, if any. */
  readonly shared?: SharedMaster | undefined;
}

export interface NewDataFile {
  readonly partition: PartitionName;
  /** The written Parquet file; removed afterwards in any case. */
  readonly temp: string;
  readonly fromOffset: Offset;
  readonly toOffset: Offset;
  /** What the file must contain. */
  readonly expected: Omit<ParquetSummary, 'minTimestamp' | 'maxTimestamp'>;
}

/**
 * Commits one file in place of the files of `head` for which `keep` returns false. Returns the new head, which
 * supersedes the given one.
 */
export async function commitFile(
  store: MasterStore,
  head: ChainHead,
  file: NewDataFile,
  keep: (file: ManifestFile) => boolean = () => true,
): Promise<ChainHead> {
  try {
    store.onStep('parquet-written', file.partition);
    const sealed = await sealFile(store, file);
    const files = [...head.files.filter(keep), sealed].toSorted((a, b) => a.fromOffset - b.fromOffset);
    const next = await commitNext(store, file.partition, head, { files });
    store.onStep('manifest-committed', file.partition);
    return next;
  } finally {
    removeScratch(file.temp);
  }
}

/**
 * Commits the next manifest; if the dataset is shared, first in the store, where only one host can succeed. Throws
 * `master.conflict`.
 */
export async function commitNext(
  { dataDir, root, shared }: MasterStore,
  name: PartitionName,
  head: ChainHead,
  change: ManifestChange = {},
): Promise<ChainHead> {
  const next = nextManifest(root, name, head, change);
  if (shared === undefined) return linkManifest(dataDir, name, next);
  await shared.commit(name, head, next);
  return copyManifest(dataDir, name, next);
}

/** Checks the file and makes it durable under its final name, not yet listed by a manifest. */
async function sealFile(store: MasterStore, file: NewDataFile): Promise<ManifestFile> {
  const { partition, temp, fromOffset, toOffset } = file;
  const step = (name: CommitStep): void => store.onStep(name, partition);
  const summary = await summarize(store.connection, [temp]);
  checkSummary(temp, summary, file.expected);
  const { sha256, sizeBytes } = await digestFile(temp);
  step('parquet-checked');
  await fsyncLargeFile(temp);
  step('parquet-synced');
  const name = dataFileName(fromOffset, toOffset, sha256);
  const dir = partitionDir(store.dataDir, partition);
  await linkData(temp, join(dir, name), sha256);
  step('file-linked');
  fsyncDir(dir);
  step('directory-synced');
  const { rows, minTimestamp, maxTimestamp } = summary;
  return {
    name,
    sizeBytes,
    rows,
    fromOffset,
    toOffset: offset(toOffset),
    sha256,
    minTimestamp,
    maxTimestamp,
  };
}

async function linkData(temp: string, path: string, sha256: string): Promise<void> {
  try {
    linkSync(temp, path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    // The name contains the content's hash: the same file was written before. Any other content is damage.
    if ((await digestFile(path)).sha256 !== sha256) {
      throw new SwaError('master.corrupt', `${path} already exists and is damaged`, { cause: error });
    }
    await fsyncLargeFile(path);
  }
}
