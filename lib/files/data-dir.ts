/**
 * The data directory: which rooms it has, and what is fixed at its creation (sketch size and base buckets). Every layer asks here for
 * its folder, so the whole layout is on this page:
 *
 *   format.json      lgK, width of base buckets, layout version and how imports keep addresses, made once
 *   secret           the directory's own (dir-secret.ts), made once, part of every backup
 *   log/             embedded log
 *   master/          Parquet files and manifests (<topic>/p<partition>/)
 *   star/            the master dataset in numbers: a cache of the batch layer
 *   serving/         CURRENT and views/<ViewId>/
 *   batch/           run history, temp of the running build
 *   speed/           realtime views by generation
 *   locks/           who writes the log, the master dataset, views and realtime stores: not to be deleted under a running system
 *   jobs/            the single-consumer queue of the system's own jobs
 *   dead-letter/     records set aside
 *   rejected/        lines imports refused
 *   status/          the status board, made by the first role that writes to it: no role depends on it
 *   erasures/        which ids were erased, by their hashes, and what was rewritten (facts/erasure-records.ts)
 *   imports/         what was imported, and by which import (ingest/import-ledger.ts)
 *   sites/           made where SWA_SITES is set: salts of cookieless sites (salts/<day>), which no backup holds, and day-scope.json, their domains
 *   damaged/         what `swa recover` has put aside, made when it first does
 *   unfinished.json  only while `swa backup` or `swa restore` copies into this directory: not to be used before
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
import { closeToOthers, makeFilesPrivate } from './private.js';
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
  /** Not there: by an earlier version, which knew hours alone. */
  bucketMinutes: z.literal(allBucketMinutes).default(60),
  /** Not there: by an earlier version, whose imports kept addresses as they were. */
  addresses: z.literal('hashed').optional(),
});

/** A data directory, and what of its configuration is fixed when it is created. */
export interface Fixed {
  readonly dataDir: string;
  readonly lgK: number;
  readonly bucketMinutes: BucketMinutes;
}

/** Absolute path of a room. */
export function roomOf(dataDir: string, room: Room): string {
  return join(dataDir, room);
}

/** Where sites keep what is theirs. It may not be there. */
export function sitesDir(dataDir: string): string {
  return join(dataDir, 'sites');
}

/** The domains of sites that are, or were, cookieless. It may not be there. */
export function dayScopePath(dataDir: string): string {
  return join(sitesDir(dataDir), 'day-scope.json');
}

/**
 * Creates what is missing and checks what is there. All of it is for its owner alone: a directory that others may enter is closed to
 * them, with a word to `warn` (default: stderr). Throws `data-dir.unusable` when it cannot be written, `data-dir.in-use` when a
 * version before kernel locks is running there, and `config.invalid` when lgK or bucketMinutes differ from those it was made with.
 */
export function openDataDir(
  config: Fixed,
  warn: (text: string) => void = (text) => void process.stderr.write(`${text}\n`),
): void {
  makeFilesPrivate();
  refuseUnfinished(config.dataDir);
  try {
    makeDirDurable(config.dataDir);
    const isClosed = closeToOthers(config.dataDir);
    if (isClosed === false)
      warn(
        `other users can read '${config.dataDir}', and this user may not change that: run chmod -R go= on it`,
      );
    if (isClosed === true)
      warn(`other users could read '${config.dataDir}'; it is now private to its owner (0700, files 0600)`);
    for (const room of rooms) if (room !== 'status') makeDirDurable(roomOf(config.dataDir, room));
    if (!existsSync(formatPath(config.dataDir))) begin(config); // a full disk keeps no old directory from being used
  } catch (cause) {
    throw unusable(config.dataDir, cause);
  }
  clearEarlierLocks(config.dataDir);
  checkDataDir(config);
}

/** What keeps a data directory from being written or read, and what to do about it. */
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
 * Checks a data directory without making anything: for commands that only read. Throws `data-dir.unusable` when it is not there
 * or its format cannot be read, `config.invalid` when lgK or bucketMinutes differ from those it was made with.
 */
export function checkDataDir(config: Fixed): void {
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

/** The mark of a directory that is being copied into: there from before the first file until all are whole and durable. */
export function unfinishedPath(dataDir: string): string {
  return join(dataDir, 'unfinished.json');
}

function refuseUnfinished(dataDir: string): void {
  if (!existsSync(unfinishedPath(dataDir))) return;
  throw new SwaError('data-dir.unusable', `'${dataDir}' is an unfinished copy of a data directory`, {
    hint: '`swa backup` or `swa restore` is still copying into it or was interrupted: run the command again to continue',
  });
}

/** What is made once. Where facts are there already their visitors stay as they are. */
function begin(config: Fixed): void {
  const isNew = (['log', 'master'] as const).every(
    (room) => readdirSync(roomOf(config.dataDir, room)).length === 0,
  );
  if (isNew) createSecret(config.dataDir);
  createFormat({ ...config, hashesAddresses: isNew });
}

/**
 * Whether imports into the directory hash addresses unless asked otherwise: those made by this version do, and one that is not there
 * yet will.
 */
export function hashesAddresses(dataDir: string): boolean {
  const text = readIfThere(formatPath(dataDir));
  return text === undefined || validJson(formatSchema, text)?.addresses === 'hashed';
}

/** The key for what is made of addresses. Throws `data-dir.unusable` when the directory's secret is gone or damaged. */
export function addressKey(dataDir: string): string {
  const key = secretFor('addresses', dataDir);
  if (key !== undefined) return key;
  if (hashesAddresses(dataDir)) throw unusableSecret(dataDir, 'is missing');
  createSecret(dataDir); // made by an earlier version, and asked to hash from now on
  return addressKey(dataDir);
}

export function formatPath(dataDir: string): string {
  return join(dataDir, 'format.json');
}

/** Writes the format unless there is one. */
export function createFormat({
  dataDir,
  lgK,
  bucketMinutes: minutes,
  hashesAddresses: isHashed,
}: Fixed & {
  readonly hashesAddresses: boolean;
}): void {
  const addresses = isHashed ? { addresses: 'hashed' } : {};
  createFile(formatPath(dataDir), JSON.stringify({ layout: 1, lgK, bucketMinutes: minutes, ...addresses }));
}
