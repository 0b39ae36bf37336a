/**
 * Pins keep the files of manifests that are being read. A pin is a lock and, beside it, a file with the manifest
 * numbers it holds. The lock is taken first and pins everything until the numbers are written: a process that removes
 * files reads the pins after it has committed its own manifest, so a reader whose pin it did not see takes its snapshot
 * from that manifest or a later one. A pin whose owner is dead, or in a copied directory, has no effect and is removed.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { systemCode } from '../lib/errors/errors.js';
import { OwnerLock, liveLockOwner } from '../lib/files/owner-lock.js';
import type { PartitionName } from '../log/log.js';
import { removeScratch } from '../lib/files/removal.js';
import { pinsDir, sinkLockPath } from './layout.js';
import { takeSnapshot, type Snapshot } from './snapshot.js';

export interface PinnedSnapshot {
  readonly snapshot: Snapshot;
  /** Releases the files for removal. May be called more than once. */
  release(): void;
}

/** Takes a snapshot whose files are kept until `release` or the end of this process. */
export function pinSnapshot(dataDir: string, what: string): PinnedSnapshot {
  const dir = pinsDir(dataDir);
  mkdirSync(dir, { recursive: true });
  sweepDeadPins(dir);
  const name = randomUUID();
  const lockPath = join(dir, `${name}.lock`);
  const lock = OwnerLock.acquire(lockPath, what);
  const numbersPath = join(dir, `${name}.json`);
  const release = (): void => {
    removeScratch(numbersPath);
    removeScratch(lockPath);
    lock.release();
  };
  try {
    const snapshot = takeSnapshot(dataDir);
    writeFileSync(numbersPath, JSON.stringify(snapshot.manifests));
    return { snapshot, release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Like `pinSnapshot`, for read-only callers: pins only if a sink is running, because otherwise nothing removes files.
 * So an idle or read-only directory is not changed. If a sink starts meanwhile, files may be missing: take another
 * snapshot.
 */
export function snapshotToLookAt(dataDir: string, what: string): PinnedSnapshot {
  if (liveLockOwner(sinkLockPath(dataDir)) !== undefined) return pinSnapshot(dataDir, what);
  return { snapshot: takeSnapshot(dataDir), release: () => undefined };
}

export type PinnedManifests = 'everything' | ReadonlyMap<PartitionName, ReadonlySet<number>>;

const numbersSchema = z.record(z.string(), z.number());

/** Returns the manifests pinned by live readers; 'everything' while one of them has not written its numbers yet. */
export function pinnedManifests(dataDir: string): PinnedManifests {
  const dir = pinsDir(dataDir);
  const pinned = new Map<PartitionName, Set<number>>();
  for (const name of sweepDeadPins(dir)) {
    const numbers = readNumbers(join(dir, `${name}.json`));
    if (numbers === undefined) {
      if (liveLockOwner(join(dir, `${name}.lock`)) === undefined) continue; // released meanwhile
      return 'everything';
    }
    for (const [partition, number] of Object.entries(numbers)) {
      const key = partition as PartitionName; // written from a Snapshot
      pinned.set(key, (pinned.get(key) ?? new Set()).add(number));
    }
  }
  return pinned;
}

/** Removes pins of dead owners and returns the names of the live ones. */
function sweepDeadPins(dir: string): string[] {
  let files: string[];
  try {
    files = readdirSync(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
  const live = new Set<string>();
  for (const file of files) {
    if (!file.endsWith('.lock')) continue;
    const path = join(dir, file);
    if (liveLockOwner(path) !== undefined) live.add(file.slice(0, -'.lock'.length));
    else removeScratch(path);
  }
  for (const file of files) {
    if (file.endsWith('.json') && !live.has(file.slice(0, -'.json'.length))) {
      removeScratch(join(dir, file));
    }
  }
  return [...live];
}

/** Returns undefined if the file is missing or incomplete. */
function readNumbers(path: string): Record<string, number> | undefined {
  try {
    return numbersSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
