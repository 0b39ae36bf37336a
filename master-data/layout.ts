/**
 * Where the master dataset keeps its files. Names are made here, and taken apart in log/stored.ts, which the log's side needs:
 *
 *   master/root.json                                        log id and partitions, made once
 *   master/<topic>/p<n>/manifests/<number>.json             that partition's chain, from number 1
 *   master/<topic>/p<n>/<from>-<to>-<hash>.parquet          facts of [from, to); hash is of the bytes
 *   master/<topic>/p<n>/<anything>.tmp                      unfinished; of no one once its writer is dead
 *   master/fetching/                                        files on their way here from a store that is shared
 *   master/pins/                                            who reads which manifests right now
 *   master/flush.json                                       "commit what the log holds up to here, now"
 *   master/last-records.json                                what the log is recognised by: log/last-records.ts
 *
 * A data file's name holds its content hash, so one name can never stand for two contents.
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

/** Numbers have ten digits, so that names sort as numbers do. */
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
