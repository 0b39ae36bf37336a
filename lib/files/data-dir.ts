/**
 * The data directory: its layout, and the settings fixed at its creation (sketch size and width of base buckets). Every
 * layer gets its folder here:
 *
 *   format.json      lgK, width of base buckets, layout version and how imports keep addresses; created once
 *   secret           the directory's secret (dir-secret.ts); created once, part of every backup
 *   log/             embedded log
 *   master/          Parquet files and manifests (<topic>/p<partition>/)
 *   star/            the master dataset as numbers: a cache of the batch layer
 *   serving/         CURRENT and views/<ViewId>/
 *   batch/           run history, temporary files of the current run
 *   speed/           realtime views by generation
 *   locks/           locks of the writers of the log, the master dataset, views and realtime stores; do not delete while the system runs
 *   jobs/            the single-consumer queues of the system's own jobs
 *   dead-letter/     records set aside
 *   rejected/        lines rejected by imports
 *   status/          the status board, created by the first role that writes to it; no role depends on it
 *   erasures/        hashes of erased ids, and what was rewritten (facts/erasure-records.ts)
 *   imports/         what was imported, and by which import (ingest/import-ledger.ts)
 *   sites/           created if SWA_SITES is set: salts of cookieless sites (salts/<day>), which no backup holds, and day-scope.json with their domains
 *   damaged/         files that `swa recover` moved aside; created when needed
 *   unfinished.json  exists only while `swa backup` or `swa restore` copies into this directory, which must not be used before
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError, isFullDisk, messageOf, systemCode } from '../errors/errors.js';
import { allBucketMinutes, type BucketMinutes } from '../time/buckets.js';
import { createFile, makeDirDurable } from './durable.js';
import { clearEarlierLocks } from './earlier-locks.js';
import { createSecret, secretFor, unusableSecret } from './dir-secret.js';
import { readIfThere } from './read-if-there.js';
import { restrictToOwner, makeFilesPrivate } from './private.js';
import { validJson } from './valid-json.js';

export const rooms = [
  'log',
  'master',
  'star',
  'serving',
  'batch',
  'speed',
  'locks',
  'jobs',
  'dead-letter',
  'rejected',
  'imports',
  'erasures',
  'status',
] as const;
export type Room = (typeof rooms)[number];

const formatSchema = z.object({
  layout: z.literal(1),
  lgK: z.number(),
  /** Missing in directories of earlier versions, which had hours only. */
  bucketMinutes: z.literal(allBucketMinutes).default(60),
  /** Missing in directories of earlier versions, whose imports stored addresses unchanged. */
  addresses: z.literal('hashed').optional(),
});

/** A data directory and the settings that are fixed when it is created. */
export interface FixedSettings {
  readonly dataDir: string;
  readonly lgK: number;
  readonly bucketMinutes: BucketMinutes;
}

/** Returns the path of a room. */
export function roomOf(dataDir: string, room: Room): string {
  return join(dataDir, room);
}

/** Returns the folder of the sites' files. It may not exist. */
export function sitesDir(dataDir: string): string {
  return join(dataDir, 'sites');
}

/** Returns the path of the list of domains of sites that are or were cookieless. It may not exist. */
export function dayScopePath(dataDir: string): string {
  return join(sitesDir(dataDir), 'day-scope.json');
}

/**
 * Creates missing parts of a data directory and checks existing ones. Only the owner may access it: if others can,
 * their permissions are removed and `warn` (default: stderr) is told. Throws `data-dir.unusable` if it cannot be
 * written, `data-dir.in-use` if a version from before kernel locks is running there, and `config.invalid` if lgK or
 * bucketMinutes differ from those it was created with.
 */
export function openDataDir(
  config: FixedSettings,
  warn: (text: string) => void = (text) => void process.stderr.write(`${text}\n`),
): void {
  makeFilesPrivate();
  refuseUnfinished(config.dataDir);
  try {
    makeDirDurable(config.dataDir);
    const isClosed = restrictToOwner(config.dataDir);
    if (isClosed === false)
      warn(
        `other users can read '${config.dataDir}', and this user may not change that: run chmod -R go= on it`,
      );
    if (isClosed === true)
      warn(`other users could read '${config.dataDir}'; it is now private to its owner (0700, files 0600)`);
    for (const room of rooms) if (room !== 'status') makeDirDurable(roomOf(config.dataDir, room));
    if (!existsSync(formatPath(config.dataDir))) begin(config); // skipped for existing directories, so that a full disk does not prevent their use
  } catch (cause) {
    throw unusable(config.dataDir, cause);
  }
  clearEarlierLocks(config.dataDir);
  checkDataDir(config);
}

/** Makes the error for a data directory that cannot be read or written, with a hint that fits the cause. */
export function unusable(dataDir: string, cause: unknown): SwaError {
  const code = systemCode(cause) ?? 'error';
  const fullHint = `free disk space there, or set SWA_DATA_DIR to a directory on another disk`;
  const [why, hint] = isFullDisk(cause)
    ? [`its disk is full: ${messageOf(cause)}`, fullHint]
    : code === 'EMFILE' || code === 'ENFILE'
      ? [`too many files are open (${code})`, 'raise the limit of open files (`ulimit -n`)']
      : code === 'EIO'
        ? [`its disk fails: ${messageOf(cause)}`, 'check the disk; see the system log for details']
        : [code, 'set SWA_DATA_DIR to a directory this user may write'];
  return new SwaError('data-dir.unusable', `cannot use data directory '${dataDir}' (${why})`, {
    cause,
    hint,
  });
}

/**
 * Checks a data directory without creating anything, for commands that only read. Throws `data-dir.unusable` if it does
 * not exist or its format cannot be read, `config.invalid` if lgK or bucketMinutes differ from those it was created
 * with.
 */
export function checkDataDir(config: FixedSettings): void {
  refuseUnfinished(config.dataDir);
  const path = formatPath(config.dataDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const what =
      systemCode(cause) === 'ENOENT' ? 'is missing' : `cannot be read (${systemCode(cause) ?? 'error'})`;
    throw new SwaError(
      'data-dir.unusable',
      `'${config.dataDir}' is not a data directory yet: ${path} ${what}`,
      {
        cause,
        hint: 'SWA_DATA_DIR names the data directory; `swa start` makes one',
      },
    );
  }
  const format = validJson(formatSchema, text);
  if (format === undefined) {
    throw new SwaError(
      'data-dir.unusable',
      `${path} is damaged: it has no valid layout, lgK and bucketMinutes`,
      {
        hint: 'stop the system and run `swa recover` to see how to recreate it',
      },
    );
  }
  if (format.lgK !== config.lgK) {
    throw new SwaError(
      'config.invalid',
      `SWA_LG_K is ${config.lgK}, but '${config.dataDir}' was made with ${format.lgK}`,
      {
        hint: `unset SWA_LG_K or set it to ${format.lgK}; sketches of different size do not mix in one data directory`,
      },
    );
  }
  if (format.bucketMinutes !== config.bucketMinutes) {
    throw new SwaError(
      'config.invalid',
      `SWA_BUCKET_MINUTES is ${config.bucketMinutes}, but '${config.dataDir}' was made with ${format.bucketMinutes}`,
      {
        hint: `set SWA_BUCKET_MINUTES=${format.bucketMinutes}; the width of base buckets is fixed when a data directory is created`,
      },
    );
  }
}

/**
 * Returns the path of the mark of an unfinished copy: it exists from before the first file is copied until all are
 * complete and durable.
 */
export function unfinishedPath(dataDir: string): string {
  return join(dataDir, 'unfinished.json');
}

function refuseUnfinished(dataDir: string): void {
  if (!existsSync(unfinishedPath(dataDir))) return;
  throw new SwaError('data-dir.unusable', `'${dataDir}' is an unfinished copy of a data directory`, {
    hint: '`swa backup` or `swa restore` is still copying into it or was interrupted: run the command again to continue',
  });
}

/**
 * Creates the format file and, in a new directory, the secret. If there are facts already, imports keep addresses
 * unhashed, so that visitors keep their ids.
 */
function begin(config: FixedSettings): void {
  const isNew = (['log', 'master'] as const).every(
    (room) => readdirSync(roomOf(config.dataDir, room)).length === 0,
  );
  if (isNew) createSecret(config.dataDir);
  createFormat({ ...config, hashesAddresses: isNew });
}

/**
 * Tells whether imports into the directory hash addresses by default: true for directories created by this version, or
 * not yet created.
 */
export function hashesAddresses(dataDir: string): boolean {
  const text = readIfThere(formatPath(dataDir));
  return text === undefined || validJson(formatSchema, text)?.addresses === 'hashed';
}

/**
 * Returns the key for hashing addresses. Throws `data-dir.unusable` if the directory's secret is missing or damaged.
 */
export function addressKey(dataDir: string): string {
  const key = secretFor('addresses', dataDir);
  if (key !== undefined) return key;
  if (hashesAddresses(dataDir)) throw unusableSecret(dataDir, 'is missing');
  createSecret(dataDir); // created by an earlier version, and asked to hash from now on
  return addressKey(dataDir);
}

export function formatPath(dataDir: string): string {
  return join(dataDir, 'format.json');
}

/** Writes the format file unless it exists. */
export function createFormat({
  dataDir,
  lgK,
  bucketMinutes: minutes,
  hashesAddresses: isHashed,
}: FixedSettings & {
  readonly hashesAddresses: boolean;
}): void {
  const addresses = isHashed ? { addresses: 'hashed' } : {};
  createFile(formatPath(dataDir), JSON.stringify({ layout: 1, lgK, bucketMinutes: minutes, ...addresses }));
}
