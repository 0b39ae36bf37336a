/**
 * Where the master dataset keeps its files. Every name is made here and nowhere else:
 *
 *   master/root.json                                        log id and partitions, made once
 *   master/<topic>/p<n>/manifests/<number>.json             that partition's chain, from number 1
 *   master/<topic>/p<n>/<from>-<to>-<hash>.parquet          facts of [from, to); hash is of the bytes
 *   master/<topic>/p<n>/<anything>.tmp                      unfinished; of nobody once its writer is dead
 *   master/pins/                                            who reads which manifests right now
 *   master/flush.json                                       "commit what the log holds up to here, now"
 *   master/last-records.json                                what the log is recognised by: lib/log/last-records.ts
 *
 * A data file's name holds its content hash, so one name can never stand for two contents.
 */
import { join } from 'node:path';
import { roomOf } from '../lib/data-dir.js';
import { parsePartitionName, type PartitionName } from '../lib/log/log.js';

export const tempSuffix = '.tmp';

export function masterDir(dataDir: string): string {
  return roomOf(dataDir, 'master');
}

export function rootPath(dataDir: string): string {
  return join(masterDir(dataDir), 'root.json');
}

export function sinkLockPath(dataDir: string): string {
  return join(roomOf(dataDir, 'locks'), 'sink.lock');
}

export function pinsDir(dataDir: string): string {
  return join(masterDir(dataDir), 'pins');
}

export function flushRequestPath(dataDir: string): string {
  return join(masterDir(dataDir), 'flush.json');
}

/** DuckDB's spill files while the sink works; emptied at its start. */
export function sinkTempDir(dataDir: string): string {
  return join(masterDir(dataDir), 'temp');
}

export function partitionDir(dataDir: string, name: PartitionName): string {
  const { topic, partition } = parsePartitionName(name);
  return join(masterDir(dataDir), topic, `p${partition}`);
}

export function manifestsDir(dataDir: string, name: PartitionName): string {
  return join(partitionDir(dataDir, name), 'manifests');
}

/** Numbers have ten digits, so that names sort as numbers do. */
export function manifestPath(dataDir: string, name: PartitionName, number: number): string {
  return join(manifestsDir(dataDir, name), `${digits(number, 10)}.json`);
}

/** The number in a manifest's file name, or undefined for any other name. */
export function manifestNumber(fileName: string): number | undefined {
  return /^\d{10,}\.json$/.test(fileName) ? Number(fileName.slice(0, -'.json'.length)) : undefined;
}

/** Offsets have sixteen digits, enough for every safe integer. */
export function dataFileName(fromOffset: number, toOffset: number, sha256: string): string {
  return `${digits(fromOffset, 16)}-${digits(toOffset, 16)}-${sha256.slice(0, 16)}.parquet`;
}

export function isDataFileName(fileName: string): boolean {
  return /^\d{16}-\d{16}-[0-9a-f]{16}\.parquet$/.test(fileName);
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
