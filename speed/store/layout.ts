/**
 * Files of the speed layer, below `<data>/speed/`:
 *
 *   SERVING                         the pointer: the generation that answers, and the next one, which is being made
 *   <ViewId>/<topic>-<n>/           the store of one partition in one generation:
 *     data.mdb, lock.mdb            LMDB: the cells, the edges, and the progress they belong to
 *     STORE                         its description, written last: a store without it is unfinished
 *     OPENING                       exists while a process checks the store: if it was left behind, that process crashed
 *     DAMAGED                       a process found the store damaged
 *
 * All of it can be deleted at any time; the log still has the facts. That is why the locks are elsewhere, in `<data>/locks/`:
 *
 *   speed-<topic>-<n>.lock          the worker of a partition
 *   speed-worker-<n>.lock           the worker with a number, where workers come and go
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../../lib/files/data-dir.js';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { replaceFile } from '../../lib/files/durable.js';
import { removeScratch } from '../../lib/files/removal.js';
import { seal, unsealLine } from '../../lib/files/sealed.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';

/** The current generations. Written by one process (the worker of the first partition), read by all. */
export interface Pointer {
  /** All partitions of the log, so that readers know when they have all stores of a generation. */
  readonly partitions: readonly PartitionName[];
  /** The generation that answers; undefined until the first is ready. */
  readonly serving: ViewId | undefined;
  /** The generation being made; takes over when it has caught up. */
  readonly next: ViewId | undefined;
}

const viewId = z
  .string()
  .regex(/^v\d+[A-Za-z0-9._-]*$/)
  .transform((text) => text as ViewId); // the pattern allows only plain names
const pointerSchema = z.object({
  partitions: z.array(z.string().transform((text) => text as PartitionName)), // written by us from the log's own names
  serving: viewId.nullable(),
  next: viewId.nullable(),
});

export function pointerPath(dataDir: string): string {
  return join(roomOf(dataDir, 'speed'), 'SERVING');
}

/** Undefined until the speed layer has run. */
export function readPointer(dataDir: string): Pointer | undefined {
  const text = readIfThere(pointerPath(dataDir));
  if (text === undefined) return undefined;
  let stored: z.infer<typeof pointerSchema>;
  try {
    const line = unsealLine(text); // without the hash, a flipped bit could name another view, whose stores would never be made
    if (line === undefined) throw new Error('its hash does not match the one on its last line');
    stored = pointerSchema.parse(JSON.parse(line.body));
  } catch (cause) {
    throw new SwaError('realtime.corrupt', `${pointerPath(dataDir)} is damaged`, {
      cause,
      retryable: true,
      hint: 'the speed layer repairs it at its next start and rebuilds the realtime view from the log',
    });
  }
  return {
    partitions: stored.partitions,
    serving: stored.serving ?? undefined,
    next: stored.next ?? undefined,
  };
}

/** Durable on return: the commit point of a hand-over. */
export function writePointer(dataDir: string, pointer: Pointer): void {
  mkdirSync(roomOf(dataDir, 'speed'), { recursive: true });
  const { partitions, serving = null, next = null } = pointer;
  replaceFile(pointerPath(dataDir), seal({ partitions, serving, next }).text);
}

export function generationDir(dataDir: string, generation: ViewId): string {
  return join(roomOf(dataDir, 'speed'), generation);
}

export function storeDir(dataDir: string, generation: ViewId, partition: PartitionName): string {
  return join(generationDir(dataDir, generation), fileNameOf(partition));
}

export function lockPath(dataDir: string, partition: PartitionName): string {
  return join(roomOf(dataDir, 'locks'), `speed-${fileNameOf(partition)}.lock`);
}

export function slotPath(dataDir: string, worker: number): string {
  return join(roomOf(dataDir, 'locks'), `speed-worker-${worker}.lock`);
}

/** 'pageviews/0' -> 'pageviews-0'. */
export function fileNameOf(partition: PartitionName): string {
  return partition.replace('/', '-');
}

/** Generations that have files, used or not. */
export function generationIds(dataDir: string): ViewId[] {
  let names: string[];
  try {
    names = readdirSync(roomOf(dataDir, 'speed'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => {
    const parsed = viewId.safeParse(name);
    return parsed.success ? [parsed.data] : [];
  });
}

/**
 * Removes a store, or a whole generation. Readers that have it open are not affected: on POSIX the bytes exist until the last of them closes.
 */
export function removeStores(dir: string): void {
  removeScratch(dir);
}
