/**
 * Manifests define which files make up the master dataset.
 *
 * Each partition has a chain of manifests, numbered from 1. A manifest lists every data file of its partition in offset
 * order, and names the hash of its predecessor (the first one names that of `root.json`). The files cover the offsets
 * from 0 to the partition's cut, except for the gaps it lists: offsets whose records were lost before they were stored
 * (recover.ts). A manifest is put under its number by link(2), which only one writer can win; the durable link is the
 * commit. A chain begins with a manifest without files, so data files without any manifest show that manifests were
 * lost. Only the newest `keptManifests` and pinned ones are kept.
 */
import { z } from 'zod';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../lib/files/durable.js';
import { seal, type Sealed } from '../lib/files/sealed.js';
import { checkLogId } from '../log/cut.js';
import { offset, type Log, type LogId, type Offset, type PartitionName } from '../log/log.js';
import {
  dataFileRange,
  manifestNumber,
  manifestPath,
  manifestsDir,
  masterDir,
  namesIn,
  partitionDir,
  rootPath,
} from './layout.js';
import { readSealed, recoverHint } from './sealed-json.js';

export const keptManifests = 16;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const offsetSchema = count.transform((value): Offset => offset(value));
const logIdSchema = z
  .string()
  .min(1)
  .transform((text) => text as LogId); // branding
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const partitionNameSchema = z
  .string()
  .regex(/^(pageviews|equivs)\/\d+$/)
  .transform((text) => text as PartitionName); // matches the type by its pattern

const rootSchema = z.strictObject({
  version: z.literal(1),
  logId: logIdSchema,
  partitions: z.array(partitionNameSchema).min(1),
});

/** Identifies the dataset: its log and partitions. */
export type Root = z.output<typeof rootSchema>;

const fileSchema = z.strictObject({
  name: z.string().regex(/^[0-9a-f-]+\.parquet$/),
  sizeBytes: count,
  rows: count,
  fromOffset: offsetSchema,
  /** End exclusive. The ranges of one manifest are contiguous: a hole in the log belongs to the file that spans it. */
  toOffset: offsetSchema,
  sha256: hash,
  /** Range of the facts' own timestamps, UTC ms; null if no row is a readable fact. */
  minTimestamp: count.nullable(),
  maxTimestamp: count.nullable(),
});
export type ManifestFile = z.output<typeof fileSchema>;

const gapSchema = z.strictObject({
  fromOffset: offsetSchema,
  /** End exclusive. */
  toOffset: offsetSchema,
  /** When the loss was accepted (UTC ms), and why. */
  acceptedAt: count,
  reason: z.string(),
});
export type ManifestGap = z.output<typeof gapSchema>;

const manifestSchema = z.strictObject({
  version: z.literal(1),
  number: z.number().int().min(1),
  logId: logIdSchema,
  partition: partitionNameSchema,
  predecessorSha256: hash,
  files: z.array(fileSchema),
  gaps: z.array(gapSchema).default([]),
});
export type Manifest = z.output<typeof manifestSchema>;

/** A partition's newest manifest. Before the first commit: number 0, no files, and the root's hash. */
export interface ChainHead {
  readonly number: number;
  readonly sha256: string;
  readonly files: readonly ManifestFile[];
  readonly gaps: readonly ManifestGap[];
}

/** Returns the partition's cut: everything below is in a file or in a gap. */
export function endOf({ files, gaps }: Pick<ChainHead, 'files' | 'gaps'>): Offset {
  return offset(Math.max(files.at(-1)?.toOffset ?? 0, gaps.at(-1)?.toOffset ?? 0));
}

/** Reads the root; undefined if no sink has run on this data directory yet. Throws `master.corrupt`. */
export function readRoot(dataDir: string): Sealed<Root> | undefined {
  try {
    return readSealed(rootPath(dataDir), rootSchema);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Reads the root, or creates it for the log. Throws `log.mismatch` if it belongs to another log, `master.corrupt` if it
 * is missing although there are facts.
 */
export function openRoot(dataDir: string, log: Pick<Log, 'id' | 'partitions'>): Sealed<Root> {
  const existing = readRoot(dataDir);
  if (existing === undefined) {
    makeDirDurable(masterDir(dataDir));
    const partition = log.partitions.find(
      (name) => dataFiles(dataDir, name).length + manifestNumbers(dataDir, name).length > 0,
    );
    if (partition !== undefined)
      throw new SwaError(
        'master.corrupt',
        `${rootPath(dataDir)} is missing, but ${partitionDir(dataDir, partition)} holds facts`,
        { hint: recoverHint },
      );
    createFile(rootPath(dataDir), seal({ version: 1, logId: log.id, partitions: log.partitions }).text);
    return openRoot(dataDir, log);
  }
  const { logId, partitions } = existing.body;
  checkLogId(log.id, logId, 'the master dataset');
  if (partitions.join() !== log.partitions.join()) {
    throw new SwaError(
      'log.mismatch',
      `the master dataset was made for ${partitions.join(', ')}, but the log has ${log.partitions.join(', ')}`,
      {
        hint: 'the number of partitions is fixed when the log is created: remove the added partitions, or start with a new log',
      },
    );
  }
  // A copy of the dataset may lack its empty directories.
  for (const name of partitions) makeDirDurable(manifestsDir(dataDir, name));
  return existing;
}

/** Returns the numbers of the manifests on disk, ascending. */
export function manifestNumbers(dataDir: string, name: PartitionName): number[] {
  return namesIn(manifestsDir(dataDir, name))
    .flatMap((file) => manifestNumber(file) ?? [])
    .toSorted((a, b) => a - b);
}

/**
 * Reads one manifest and checks its hash, number, log, and that its ranges are contiguous from 0. Throws
 * `master.corrupt`; a missing file throws Node's ENOENT.
 */
export function readManifest(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  number: number,
): Sealed<Manifest> {
  const path = manifestPath(dataDir, name, number);
  const sealed = readSealed(path, manifestSchema);
  const { body } = sealed;
  const wrong = (what: string): SwaError =>
    new SwaError('master.corrupt', `${path} ${what}`, { hint: recoverHint });
  if (body.number !== number || body.partition !== name) throw wrong('does not match its file name');
  if (body.logId !== root.body.logId) throw wrong(`belongs to log ${body.logId}, not to ${root.body.logId}`);
  let next = 0;
  for (const range of [...body.files, ...body.gaps].toSorted((a, b) => a.fromOffset - b.fromOffset)) {
    if (range.fromOffset !== next || range.toOffset <= next)
      throw wrong(`has a gap: expected offset ${next}`);
    if ('rows' in range && range.rows > range.toOffset - range.fromOffset)
      throw wrong(`has more rows than offsets in ${range.name}`);
    next = range.toOffset;
  }
  return sealed;
}

/** Reads and checks the newest manifest of a partition. Throws `master.corrupt`. */
export function readHead(dataDir: string, root: Sealed<Root>, name: PartitionName): ChainHead {
  // The sink removes old manifests: one that disappears between listing and reading has many successors by then.
  for (let attempt = 0; attempt < 8; attempt++) {
    const number = manifestNumbers(dataDir, name).at(-1);
    if (number === undefined) {
      refuseFiles(dataDir, name);
      return { number: 0, sha256: root.sha256, files: [], gaps: [] };
    }
    try {
      const { sha256, body } = readManifest(dataDir, root, name, number);
      return { number, sha256, files: body.files, gaps: body.gaps };
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
  }
  throw new SwaError('master.corrupt', `manifests of ${name} were deleted while they were being read`);
}

/** Throws `master.corrupt` if there are data files without any manifest: their manifests are lost. */
function refuseFiles(dataDir: string, name: PartitionName): void {
  const files = dataFiles(dataDir, name);
  if (files.length === 0 || manifestNumbers(dataDir, name).length > 0) return; // the first manifest was committed meanwhile
  throw new SwaError(
    'master.corrupt',
    `${manifestsDir(dataDir, name)} holds no manifest, but there are ${files.length} data files: ${files.slice(0, 3).join(', ')}`,
    { hint: recoverHint },
  );
}

/** Returns the names of all data files of a partition, listed in a manifest or not, by offset. */
export function dataFiles(dataDir: string, name: PartitionName): string[] {
  return namesIn(partitionDir(dataDir, name))
    .filter((file) => dataFileRange(file) !== undefined)
    .toSorted();
}

export type ManifestChange = Partial<Pick<ChainHead, 'files' | 'gaps'>>;

/** A manifest that is not committed yet, with the content of its file. */
export interface NextManifest extends ChainHead {
  readonly text: string;
}

/**
 * Commits the next manifest of a chain; durable on return. Throws `master.conflict`, and changes nothing, if another
 * writer has committed this number.
 */
export function commitManifest(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
  change: ManifestChange = {},
): ChainHead {
  return linkManifest(dataDir, name, nextManifest(root, name, head, change));
}

export function nextManifest(
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
  { files = head.files, gaps = head.gaps }: ManifestChange = {},
): NextManifest {
  const number = head.number + 1;
  const body = {
    version: 1,
    number,
    logId: root.body.logId,
    partition: name,
    predecessorSha256: head.sha256,
    files,
    ...(gaps.length === 0 ? {} : { gaps }),
  };
  return { number, files, gaps, ...seal(body) };
}

/** Commits a prepared manifest, as `commitManifest` does. */
export function linkManifest(dataDir: string, name: PartitionName, next: NextManifest): ChainHead {
  const { text, ...head } = next;
  if (!createFile(manifestPath(dataDir, name, head.number), text))
    throw committedByAnother(name, head.number);
  return head;
}

/** Copies a manifest that is committed in the shared store; another process may have copied it already. */
export function copyManifest(dataDir: string, name: PartitionName, committed: NextManifest): ChainHead {
  const { text, ...head } = committed;
  createFile(manifestPath(dataDir, name, head.number), text);
  return head;
}

/** Makes the error of a sink whose manifest number was taken. */
export function committedByAnother(name: PartitionName, number: number): SwaError {
  return new SwaError('master.conflict', `manifest ${number} of ${name} was committed by another sink`, {
    hint: 'run one sink for a master dataset',
  });
}
