/**
 * Rebuilds manifests from the data files: a sealed file's name contains its offsets and the beginning of its hash, so
 * it can be checked without a manifest. For each partition it chooses the files that reach furthest from offset 0
 * without a hole, and moves damaged or unrelated files aside.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../lib/files/durable.js';
import { digestFile } from '../lib/files/digest.js';
import { moveAside } from '../lib/files/removal.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { seal, unsealLine, type Sealed } from '../lib/files/sealed.js';
import { offset, type LogId, type PartitionName } from '../log/log.js';
import { validJson } from '../lib/files/valid-json.js';
import type { RecoveryPlace, RecoveryStep } from '../lib/files/recovery.js';
import { openDuckDb } from './duckdb.js';
import {
  dataFileRange,
  manifestPath,
  manifestsDir,
  masterDir,
  partitionDir,
  rootPath,
  sinkTempDir,
} from './layout.js';
import {
  commitManifest,
  dataFiles,
  endOf,
  manifestNumbers,
  readManifest,
  readRoot,
  type ChainHead,
  type Manifest,
  type ManifestFile,
  type ManifestGap,
  type Root,
} from './manifest.js';
import { summarize } from './parquet.js';
import { nameSome } from './sweep.js';

/** Content for a missing root. */
export interface RootContent {
  readonly logId: LogId;
  readonly partitions: readonly PartitionName[];
}

/** Returns the step that recreates the root; none if it is intact or there is no master dataset. */
export function planRoot(
  { dataDir, asideDir }: RecoveryPlace,
  content: RootContent | undefined,
): RecoveryStep[] {
  let finding: string;
  try {
    if (readRoot(dataDir) !== undefined) return [];
    finding = `${rootPath(dataDir)} is missing`;
  } catch (error) {
    finding = messageOf(error);
  }
  if (content === undefined) return []; // there is no master dataset
  return [
    {
      finding,
      action: `create it again: log ${content.logId}, ${content.partitions.join(', ')}`,
      run: () => {
        moveAside(rootPath(dataDir), join(asideDir, 'master'));
        createFile(rootPath(dataDir), seal({ version: 1, ...content }).text);
      },
    },
  ];
}

const ownerSchema = z.object({ logId: z.string().min(1) });

/** Returns the log id that the manifests name; undefined if none can be read. */
export function logIdOfManifests(dataDir: string, partitions: readonly PartitionName[]): LogId | undefined {
  for (const name of partitions) {
    for (const number of manifestNumbers(dataDir, name).toReversed()) {
      const line = unsealLine(readIfThere(manifestPath(dataDir, name, number)) ?? '');
      const owner = line === undefined ? undefined : validJson(ownerSchema, line.body);
      if (owner !== undefined) return owner.logId as LogId; // branding
    }
  }
  return undefined;
}

interface Chain {
  readonly readable: readonly Sealed<Manifest>[];
  readonly damaged: readonly number[];
}

function readChain(dataDir: string, root: Sealed<Root>, name: PartitionName): Chain {
  const readable: Sealed<Manifest>[] = [];
  const damaged: number[] = [];
  for (const number of manifestNumbers(dataDir, name)) {
    try {
      readable.push(readManifest(dataDir, root, name, number));
    } catch {
      damaged.push(number);
    }
  }
  return { readable, damaged };
}

/**
 * Returns the steps for one partition; none if its newest manifest and all its files are intact. Reads every data file.
 * @param logBegin first offset that the log still has; undefined if it has none
 */
export async function planPartition(
  { dataDir, asideDir, now }: RecoveryPlace,
  root: Sealed<Root>,
  name: PartitionName,
  logBegin: number | undefined,
): Promise<RecoveryStep[]> {
  const dir = partitionDir(dataDir, name);
  const partitionAside = join(asideDir, 'master', name);
  const { readable, damaged } = readChain(dataDir, root, name);
  const newest = readable.at(-1);
  const known = new Map(readable.flatMap(({ body }) => body.files.map((file) => [file.name, file] as const)));
  const whole = new Map<string, { readonly sizeBytes: number; readonly sha256: string }>();
  const broken: string[] = [];
  for (const file of dataFiles(dataDir, name)) {
    const digest = await digestFile(join(dir, file)).catch(() => undefined);
    const isWhole = digest?.sha256.startsWith(dataFileRange(file)?.hash ?? '-') === true;
    if (digest !== undefined && isWhole) whole.set(file, digest);
    else broken.push(file);
  }
  const gaps = newest?.body.gaps ?? [];
  const ranges = [...whole.keys()].flatMap((file) => {
    const range = dataFileRange(file);
    // A manifest may extend a file's range beyond its name, over offsets that hold no record.
    return range === undefined
      ? []
      : [{ name: file, from: range.fromOffset, to: known.get(file)?.toOffset ?? range.toOffset }];
  });
  const chosen = furthest(ranges, gaps, logBegin);
  const head = newest?.body ?? { files: [], gaps: [] };
  const missing = head.files.filter((file) => !whole.has(file.name)).map((file) => file.name);
  const stranded = [...whole.keys()].filter(
    (file) => !chosen.files.includes(file) && (dataFileRange(file)?.fromOffset ?? 0) >= chosen.end,
  );
  const lost = newest === undefined && whole.size > 0;
  const isHead = newest !== undefined && !damaged.some((number) => number > newest.body.number);
  const steps: RecoveryStep[] = [];
  if (
    lost ||
    (!isHead && whole.size + damaged.length > 0) ||
    missing.length > 0 ||
    chosen.end > endOf(head)
  ) {
    const reason = lost
      ? `${manifestsDir(dataDir, name)} holds no manifest that can be read`
      : missing.length > 0
        ? `files in ${dir} are missing or damaged: ${nameSome(missing)}`
        : !isHead
          ? `manifest ${damaged.at(-1)} of ${name} is damaged`
          : `${dir} holds intact files after offset ${endOf(head)}, where its newest manifest ends`;
    const holes = chosen.holes.map(({ from, to }) => `${from} to ${to - 1}`);
    steps.push({
      finding: reason,
      action: `write a manifest for the ${chosen.files.length} intact files: offsets 0 to ${chosen.end}`,
      ...(holes.length === 0
        ? {}
        : {
            loses: `offsets ${holes.join(', ')} of ${name}, which are in no intact file and not in the log`,
          }),
      run: async () => {
        const reasonOfGap = 'no intact file held these records, and the log had deleted them';
        const newGaps = chosen.holes.map(({ from, to }) => ({
          fromOffset: offset(from),
          toOffset: offset(to),
          acceptedAt: now,
          reason: reasonOfGap,
        }));
        const files = await describeFiles(dataDir, name, chosen.files, known, whole);
        makeDirDurable(manifestsDir(dataDir, name));
        const number = Math.max(0, ...manifestNumbers(dataDir, name));
        const before: ChainHead = { number, sha256: newest?.sha256 ?? root.sha256, files: [], gaps: [] };
        const all = [...chosen.gaps, ...newGaps].toSorted((a, b) => a.fromOffset - b.fromOffset);
        commitManifest(dataDir, root, name, before, { files, gaps: all });
      },
    });
  }
  if (damaged.length > 0)
    steps.push({
      finding: `${damaged.length} manifests of ${name} are damaged: ${damaged.slice(0, 5).join(', ')}`,
      action: `move them to ${partitionAside}/manifests`,
      run: () => {
        for (const number of damaged)
          moveAside(manifestPath(dataDir, name, number), join(partitionAside, 'manifests'));
      },
    });
  const ahead = readable.filter(({ body }) => endOf(body) > chosen.end).map(({ body }) => body.number);
  if (ahead.length > 0)
    steps.push({
      finding: `${ahead.length} manifests of ${name} reach beyond offset ${chosen.end}, where the intact files end; the log still has the rest`,
      action: `move them to ${partitionAside}/manifests; the sink stores these records again`,
      run: () => {
        for (const number of ahead)
          moveAside(manifestPath(dataDir, name, number), join(partitionAside, 'manifests'));
      },
    });
  const away = [...broken, ...stranded];
  if (away.length > 0)
    steps.push({
      finding: `${dir} holds ${nameSome(away)}, which ${broken.length > 0 ? 'are damaged or ' : ''}do not follow the files before them`,
      action: `move them to ${partitionAside}`,
      run: () => {
        for (const file of away) moveAside(join(dir, file), partitionAside);
      },
    });
  return steps;
}

interface Range {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

interface Chosen {
  readonly files: readonly string[];
  readonly gaps: readonly ManifestGap[];
  /** Offsets that are neither in a file nor in a known gap. */
  readonly holes: readonly { readonly from: number; readonly to: number }[];
  readonly end: number;
}

/**
 * Chooses the files that reach furthest, and the fewest of them. A hole is bridged if the log no longer has its
 * offsets.
 */
function furthest(
  ranges: readonly Range[],
  gaps: readonly ManifestGap[],
  logBegin: number | undefined,
): Chosen {
  const edges = [
    ...ranges,
    ...gaps.map((gap) => ({ gap, from: gap.fromOffset as number, to: gap.toOffset as number })),
  ];
  edges.sort((a, b) => b.from - a.from);
  interface Path {
    readonly end: number;
    readonly count: number;
    readonly edge?: (typeof edges)[number];
  }
  const best = new Map<number, Path>();
  for (const edge of edges) {
    const on = best.get(edge.to) ?? { end: edge.to, count: 0 };
    const path = { end: on.end, count: on.count + 1, edge };
    const other = best.get(edge.from);
    if (other === undefined || path.end > other.end || (path.end === other.end && path.count < other.count))
      best.set(edge.from, path);
  }
  const files: string[] = [];
  const usedGaps: ManifestGap[] = [];
  const holes: { from: number; to: number }[] = [];
  let at = 0;
  for (;;) {
    const edge = best.get(at)?.edge;
    if (edge === undefined) {
      const next = edges.toReversed().find(({ from }) => from > at)?.from;
      if (next === undefined || (logBegin !== undefined && logBegin <= at)) break;
      holes.push({ from: at, to: next });
      at = next;
      continue;
    }
    if ('gap' in edge) usedGaps.push(edge.gap);
    else files.push(edge.name);
    at = edge.to;
  }
  return { files, gaps: usedGaps, holes, end: at };
}

/** Returns the manifest entries of files: from an earlier manifest, or by reading the file. */
async function describeFiles(
  dataDir: string,
  name: PartitionName,
  files: readonly string[],
  known: ReadonlyMap<string, ManifestFile>,
  whole: ReadonlyMap<string, { readonly sizeBytes: number; readonly sha256: string }>,
): Promise<ManifestFile[]> {
  const duckdb = await openDuckDb({
    allowedDirectories: [masterDir(dataDir)],
    tempDirectory: sinkTempDir(dataDir),
    memoryLimit: '1GB',
    threads: 1,
  });
  try {
    const described: ManifestFile[] = [];
    for (const file of files) {
      const digest = whole.get(file);
      const range = dataFileRange(file);
      const before = known.get(file);
      if (before !== undefined && before.sha256 === digest?.sha256) described.push(before);
      else if (digest !== undefined && range !== undefined) {
        const { rows, minTimestamp, maxTimestamp } = await summarize(duckdb.connection, [
          join(partitionDir(dataDir, name), file),
        ]);
        const [fromOffset, toOffset] = [offset(range.fromOffset), offset(range.toOffset)];
        described.push({ name: file, ...digest, rows, fromOffset, toOffset, minTimestamp, maxTimestamp });
      }
    }
    return described;
  } finally {
    duckdb.close();
  }
}
