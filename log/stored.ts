/**
 * What the log must know of the master dataset. That is a room above this one, so only file names and the newest
 * manifests are read here. They tell the log's writer that the log was replaced, and the trimmer that facts have a
 * second copy before it deletes the first.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { unsealLine } from '../lib/files/sealed.js';
import { validJson } from '../lib/files/valid-json.js';
import { offset, parsePartitionName, type LogId, type Offset, type PartitionName } from './log.js';

export function partitionDir(dataDir: string, name: PartitionName): string {
  const { topic, partition } = parsePartitionName(name);
  return join(roomOf(dataDir, 'master'), topic, `p${partition}`);
}

export function manifestsDir(dataDir: string, name: PartitionName): string {
  return join(partitionDir(dataDir, name), 'manifests');
}

/** Parses the number in a manifest's file name; undefined for any other name. */
export function manifestNumber(fileName: string): number | undefined {
  return /^\d{10,}\.json$/.test(fileName) ? Number(fileName.slice(0, -'.json'.length)) : undefined;
}

/**
 * Parses a data file's name: offsets [from, to) and the first 16 hex digits of its content's SHA-256; undefined for any
 * other name.
 */
export function dataFileRange(
  fileName: string,
): { readonly fromOffset: number; readonly toOffset: number; readonly hash: string } | undefined {
  const [, from, to, hash] = /^(\d{16})-(\d{16})-([0-9a-f]{16})\.parquet$/.exec(fileName) ?? [];
  if (from === undefined || to === undefined || hash === undefined) return undefined;
  return { fromOffset: Number(from), toOffset: Number(to), hash };
}

/** Returns the names in a folder; empty if the folder does not exist. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

const rootSchema = z.object({ logId: z.string().min(1) });

/**
 * Returns the id of the log that the master dataset was made from; undefined if there is none or its root cannot be
 * read.
 */
export function storedLogId(dataDir: string): LogId | undefined {
  const root = readIfThere(join(roomOf(dataDir, 'master'), 'root.json'));
  const line = root === undefined ? undefined : (unsealLine(root)?.body ?? root);
  return line === undefined ? undefined : (validJson(rootSchema, line)?.logId as LogId | undefined); // branding
}

/** Returns the path of a file that shows that this data directory had a log before; undefined if there is none. */
export function evidenceOfLog(dataDir: string): string | undefined {
  const marks = [join(roomOf(dataDir, 'master'), 'root.json'), join(roomOf(dataDir, 'serving'), 'CURRENT')];
  for (const topic of ['pageviews', 'equivs']) marks.push(join(roomOf(dataDir, 'master'), topic));
  const segment = namesIn(roomOf(dataDir, 'log')).find((name) => /^segment-\d+\.log$/.test(name));
  if (segment !== undefined) marks.unshift(join(roomOf(dataDir, 'log'), segment));
  return marks.find((path) => existsSync(path));
}

/**
 * Returns the end offset of a partition's data files according to their names, listed in a manifest or not. A log that
 * ends before it has lost facts.
 */
export function storedEnd(dataDir: string, name: PartitionName): Offset {
  const ends = namesIn(partitionDir(dataDir, name)).map((file) => dataFileRange(file)?.toOffset ?? 0);
  return offset(Math.max(0, ...ends));
}

const rangeSchema = z.object({ fromOffset: z.number(), toOffset: z.number() });
const manifestSchema = z.object({
  files: z.array(rangeSchema.extend({ name: z.string(), sizeBytes: z.number() })),
  gaps: z.array(rangeSchema).default([]),
});

/**
 * Returns the end offset of a partition's newest manifest, after checking what names and sizes can show: the manifest's
 * hash matches, its ranges are contiguous from offset 0, and every file exists with its size. Throws `master.corrupt`
 * otherwise; returns 0 if nothing is stored yet.
 */
export function provenEnd(dataDir: string, name: PartitionName): Offset {
  const dir = manifestsDir(dataDir, name);
  const newest = namesIn(dir)
    .filter((file) => manifestNumber(file) !== undefined)
    .toSorted()
    .at(-1);
  if (newest === undefined) return offset(0);
  const path = join(dir, newest);
  const line = unsealLine(readIfThere(path) ?? '')?.body;
  const manifest = line === undefined ? undefined : validJson(manifestSchema, line);
  const wrong = (what: string): SwaError =>
    new SwaError('master.corrupt', `${path} ${what}`, { hint: 'run `swa verify` to see what is damaged' });
  if (manifest === undefined) throw wrong('cannot be read');
  let end = 0;
  for (const range of [...manifest.files, ...manifest.gaps].toSorted((a, b) => a.fromOffset - b.fromOffset)) {
    if (range.fromOffset !== end) throw wrong(`has a gap: expected offset ${end}`);
    end = range.toOffset;
  }
  for (const file of manifest.files) {
    const size = statSync(join(partitionDir(dataDir, name), file.name), { throwIfNoEntry: false })?.size;
    if (size !== file.sizeBytes) throw wrong(`names ${file.name}, which is missing or has another size`);
  }
  return offset(end);
}
