/** Audits the folders of the master dataset: files that no manifest lists, foreign files, and missing manifests. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { digestFile } from '../lib/files/digest.js';
import type { Sealed } from '../lib/files/sealed.js';
import type { Findings } from '../lib/errors/finding.js';
import { parsePartitionName, type PartitionName } from '../log/log.js';
import {
  dataFileRange,
  manifestNumber,
  manifestPath,
  manifestsDir,
  masterDir,
  namesIn,
  partitionDir,
  tempSuffix,
} from './layout.js';
import {
  endOf,
  keptManifests,
  manifestNumbers,
  readHead,
  readManifest,
  readRoot,
  type ChainHead,
  type Root,
} from './manifest.js';
import { recoverHint } from './sealed-json.js';

const ownNames: readonly string[] = [
  'root.json',
  'last-records.json',
  'flush.json',
  'pins',
  'temp',
  'fetching',
  'sink.lock', // of earlier versions
];
const moveOut = 'move it out of the data directory';

/** Damage to the root and manifests is reported by `verifyMaster`; here it only ends the check. */
export async function auditMasterFiles(dataDir: string, report: Findings): Promise<void> {
  const root = unlessDamaged(() => readRoot(dataDir));
  if (root === undefined) return;
  const places = root.body.partitions.map((name) => ({ name, ...parsePartitionName(name) }));
  const topics = new Set<string>(places.map(({ topic }) => topic));
  reportOthers(masterDir(dataDir), (name) => ownNames.includes(name) || topics.has(name), report);
  for (const topic of topics) {
    const folders = new Set(
      places.filter((one) => one.topic === topic).map(({ partition }) => `p${partition}`),
    );
    reportOthers(join(masterDir(dataDir), topic), (name) => folders.has(name), report);
  }
  for (const { name } of places) await auditPartition(dataDir, root, name, report);
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Reports everything in a folder that is not expected there. */
function reportOthers(dir: string, isExpected: (name: string) => boolean, report: Findings): void {
  for (const name of namesIn(dir)) {
    if (isExpected(name)) continue;
    if (name.endsWith(tempSuffix))
      report.leftover(join(dir, name), 'nothing: this file is never read, and the sink removes it');
    else report.add(`${join(dir, name)} does not belong to the master dataset`, moveOut);
  }
}

async function auditPartition(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  report: Findings,
): Promise<void> {
  const dir = partitionDir(dataDir, name);
  reportOthers(dir, (file) => file === 'manifests' || dataFileRange(file) !== undefined, report);
  reportOthers(manifestsDir(dataDir, name), (file) => manifestNumber(file) !== undefined, report);
  reportMissingManifests(dataDir, name, report);
  const files = namesIn(dir); // listed before the manifests are read, so that files committed meanwhile are in a manifest
  const head = unlessDamaged(() => readHead(dataDir, root, name));
  if (head === undefined) return;
  const isNamed = new Set(head.files.map((file) => file.name));
  for (const file of files.toSorted())
    if (dataFileRange(file) !== undefined && !isNamed.has(file))
      await auditUnnamed(dataDir, root, name, head, file, report);
}

/**
 * Reports a file that the newest manifest does not list. Intact files left by a crash are harmless: one not committed
 * yet, new or from a compaction, and those that a compaction has just replaced.
 */
async function auditUnnamed(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
  file: string,
  report: Findings,
): Promise<void> {
  const path = join(partitionDir(dataDir, name), file);
  const range = dataFileRange(file);
  const digest = await digestFile(path).catch(() => undefined);
  if (range === undefined || (digest === undefined && !existsSync(path))) return; // removed meanwhile
  const cut = endOf(head);
  if (range.toOffset > cut && range.fromOffset !== cut) {
    report.add(
      `${path} reaches beyond offset ${cut}, where the newest manifest (${head.number}) ends: manifests are missing`,
      recoverHint,
    );
    return;
  }
  const isWhole = digest?.sha256.startsWith(range.hash) === true;
  const wasNamed = (): boolean =>
    manifestNumbers(dataDir, name).some((number) =>
      unlessDamaged(() => readManifest(dataDir, root, name, number))?.body.files.some(
        (one) => one.name === file,
      ),
    );
  if (isWhole && range.fromOffset === cut && range.toOffset > cut)
    report.leftover(`${path} was not committed`, 'nothing: the sink stores its records again from the log');
  else if (isWhole && joins(head, range))
    report.leftover(`${path} was to replace smaller files`, 'nothing: the sink removes it');
  else if (isWhole && wasNamed())
    report.leftover(`${path} has been replaced by larger files`, 'nothing: the sink removes it');
  else report.add(`${path} is not named by any manifest`, `${moveOut}: its offsets are in other files`);
}

/** Returns true if compaction of two or more adjacent files would produce a file with these offsets. */
function joins(
  { files }: ChainHead,
  range: { readonly fromOffset: number; readonly toOffset: number },
): boolean {
  const from = files.findIndex(({ fromOffset }) => fromOffset === range.fromOffset);
  const to = files.findIndex(({ toOffset }) => toOffset === range.toOffset);
  return from >= 0 && to > from;
}

/** The newest manifests are always kept; only `swa recover` moves one of them aside. */
function reportMissingManifests(dataDir: string, name: PartitionName, report: Findings): void {
  const numbers = new Set(manifestNumbers(dataDir, name));
  const newest = Math.max(0, ...numbers);
  for (let number = Math.max(1, newest - keptManifests + 1); number < newest; number++) {
    const path = manifestPath(dataDir, name, number);
    if (numbers.has(number) || wasPutAside(dataDir, name, path)) continue;
    report.add(
      `${path} is missing`,
      'restore it from a backup if there is one; no fact depends on it, because the newest manifest names every file',
    );
  }
}

/** Tells whether `swa recover` moved the file aside: see rebuild.ts. */
function wasPutAside(dataDir: string, name: PartitionName, path: string): boolean {
  const damaged = join(dataDir, 'damaged');
  const inTime = join('master', name, 'manifests', basename(path));
  return namesIn(damaged).some((time) => existsSync(join(damaged, time, inTime)));
}
