/**
 * The files of the master dataset. Names are made here; log/stored.ts parses them, because the log needs that too:
 *
 *   master/root.json                                        log id and partitions, created once
 *   master/<topic>/p<n>/manifests/<number>.json             the partition's manifests, from number 1
 *   master/<topic>/p<n>/<from>-<to>-<hash>.parquet          facts of [from, to); the hash is of the file's content
 *   master/<topic>/p<n>/<anything>.tmp                      unfinished; garbage once its writer is dead
 *   master/fetching/                                        files being downloaded from a shared store
 *   master/pins/                                            which manifests are being read
 *   master/flush.json                                       request to commit the log up to given offsets
 *   master/last-records.json                                identifies the log: log/last-records.ts
 *
 * A data file's name contains its content's hash, so one name never stands for two contents.
 */
import { join } from 'node:path';
import { roomOf } from '../lib/files/data-dir.js';
import type { PartitionName } from '../log/log.js';
import { manifestsDir } from '../log/stored.js';

export { dataFileRange, manifestNumber, manifestsDir, namesIn, partitionDir } from '../log/stored.js';

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

export function fetchingDir(dataDir: string): string {
  return join(masterDir(dataDir), 'fetching');
}

export function flushRequestPath(dataDir: string): string {
  return join(masterDir(dataDir), 'flush.json');
}

/** DuckDB's spill files while the sink works; emptied at its start. */
export function sinkTempDir(dataDir: string): string {
  return join(masterDir(dataDir), 'temp');
}

/** Numbers have ten digits, so that names sort like numbers. */
export function manifestPath(dataDir: string, name: PartitionName, number: number): string {
  return join(manifestsDir(dataDir, name), `${digits(number, 10)}.json`);
}

/** Offsets have sixteen digits, enough for every safe integer. */
export function dataFileName(fromOffset: number, toOffset: number, sha256: string): string {
  return `${digits(fromOffset, 16)}-${digits(toOffset, 16)}-${sha256.slice(0, 16)}.parquet`;
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
