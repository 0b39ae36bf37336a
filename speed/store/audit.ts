/**
 * Audits the realtime stores from their files alone: LMDB does not open them, since that would create and lock files. Checks every page and
 * decodes every record; the pageviews of the cells must add up to the store's own count.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError } from '../../lib/errors/errors.js';
import type { Findings } from '../../lib/errors/finding.js';
import { lmdbRecords, type RecordVisitor } from '../../lib/files/lmdb-file.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import type { Cut, PartitionName } from '../../log/log.js';
import { namesIn } from '../../log/stored.js';
import type { ViewId } from '../../facts/views/view.js';
import { decodePageviews } from './cell-codec.js';
import { parseCellKey } from './cell-key.js';
import {
  fileNameOf,
  generationDir,
  generationIds,
  pointerPath,
  readPointer,
  storeDir,
  type Pointer,
} from './layout.js';
import { checkRecord } from './partition-store.js';
import { damagedMarker, dataFile, openingMarker, progressKey } from './store-files.js';
import { decodeProgress, readBootId, readDescription, type Progress } from './store-meta.js';

/** The position of an intact store. */
export interface StorePosition {
  readonly dir: string;
  readonly generation: ViewId;
  readonly logId: string;
  readonly partition: PartitionName;
  readonly from: number;
  readonly next: number;
}

export interface StoresAudit {
  readonly stores: readonly StorePosition[];
  readonly records: number;
}

export const storeFix =
  'start the speed layer: it rebuilds the store from the log (`swa recover --yes` moves damaged files aside)';
const storeFiles: readonly string[] = ['data.mdb', 'lock.mdb', 'STORE'];

/** Audits all stores. Memory: one bit per page of a store. */
export function auditStores(dataDir: string, report: Findings): StoresAudit {
  const path = pointerPath(dataDir);
  const pointer = report.attempt(path, storeFix, () => readPointer(dataDir));
  const ids = generationIds(dataDir);
  for (const name of namesIn(join(path, '..'))) {
    if (name === 'SERVING' || ids.some((id) => id === name)) continue;
    if (name.endsWith('.tmp')) report.leftover(join(path, '..', name), 'nothing: this file is never read');
    else report.add(`${join(path, '..', name)} is not a file of the speed layer`, 'delete it');
  }
  const stores: StorePosition[] = [];
  let records = 0;
  for (const id of ids) {
    const isNamed = id === pointer?.serving || id === pointer?.next;
    if (pointer !== undefined && !isNamed) {
      report.leftover(
        `${generationDir(dataDir, id)} belongs to a generation that is not in SERVING`,
        'nothing: the speed layer removes it',
      );
      continue;
    }
    for (const name of namesIn(generationDir(dataDir, id))) {
      const dir = join(generationDir(dataDir, id), name);
      const seen = report.attempt(dir, storeFix, () => auditStore(dir, name, id, report));
      records += seen?.records ?? 0;
      if (seen?.position !== undefined) stores.push(seen.position);
    }
  }
  if (pointer !== undefined) requireStores(dataDir, pointer, report);
  return { stores, records };
}

function requireStores(dataDir: string, { serving, partitions }: Pointer, report: Findings): void {
  if (serving === undefined) return;
  for (const partition of partitions) {
    const dir = storeDir(dataDir, serving, partition);
    if (!existsSync(dataFile(dir)))
      report.add(`${dataFile(dir)} is missing, but its generation is in use`, storeFix);
  }
}

interface Seen {
  readonly position: StorePosition | undefined;
  readonly records: number;
}

/** Audits one store. */
export function auditStore(
  dir: string,
  name: string,
  generation: ViewId,
  report: Findings,
): Seen | undefined {
  if (!/^(pageviews|equivs)-\d+$/.test(name)) {
    report.add(`${dir} is not a realtime store`, 'delete it');
    return undefined;
  }
  const names = namesIn(dir);
  for (const file of names) {
    const path = join(dir, file);
    if (path === openingMarker(dir))
      report.leftover(`${path}: it was not closed since it was last opened`, 'nothing: it is rebuilt');
    else if (path === damagedMarker(dir)) report.add(`${path}: the store was found damaged`, storeFix);
    else if (!storeFiles.includes(file)) report.add(`${path} is not a file of a realtime store`, 'delete it');
  }
  if (!existsSync(dataFile(dir))) return undefined; // reported by requireStores if the store must exist
  const description = readDescription(dir);
  if (description === undefined) {
    if ((readIfThere(join(dir, 'STORE')) ?? '') === '')
      report.leftover(`${dir} has no STORE: it was never finished`, 'nothing: it is rebuilt');
    else report.add(`${join(dir, 'STORE')} is damaged or was written by another version`, storeFix);
    return undefined;
  }
  const { partition, logId, from, bootId } = description;
  if (description.generation !== generation || fileNameOf(partition) !== name) {
    report.add(
      `${join(dir, 'STORE')} belongs to generation ${description.generation} and ${partition}: the store is in the wrong directory`,
      storeFix,
    );
    return undefined;
  }
  if (bootId !== readBootId() || bootId === '') {
    report.leftover(
      `${dir} was made before this machine last started`,
      'nothing: the speed layer rebuilds it from the log',
    );
    return undefined;
  }
  const path = dataFile(dir);
  if (statSync(path, { throwIfNoEntry: false })?.size === 0) {
    report.add(`the realtime store ${path} is damaged: it is empty`, storeFix);
    return undefined;
  }
  let look = new Look(from);
  const damage = lmdbRecords(path, () => (look = new Look(from)));
  if (damage !== undefined) {
    report.add(`the realtime store ${path} is damaged: ${damage}`, storeFix);
    return undefined;
  }
  const { progress, records } = look;
  const position =
    progress === undefined ? undefined : { dir, generation, logId, partition, from, next: progress.next };
  return { position, records };
}

function wrong(what: string): SwaError {
  return new SwaError('realtime.corrupt', what);
}

/** Checks the records of one store. */
class Look implements RecordVisitor {
  progress: Progress | undefined;
  records = 0;
  readonly #from: number;
  #inPages = 0;
  #inDomains = 0;
  readonly #inDimensions = new Map<string, number>();

  constructor(from: number) {
    this.#from = from;
  }

  record(key: Buffer, value: Buffer): void {
    this.records++;
    if (key.equals(progressKey)) {
      this.progress = decodeProgress(value);
      return;
    }
    checkRecord(key, new Uint8Array(value)); // a copy, because cells are read as aligned words
    const cell = parseCellKey(key);
    if (cell === undefined) return;
    const pageviews = decodePageviews(value);
    if (cell.kind === 'page') this.#inPages += pageviews;
    else if (cell.kind === 'domain') this.#inDomains += pageviews;
    else this.#inDimensions.set(cell.dimension, (this.#inDimensions.get(cell.dimension) ?? 0) + pageviews);
  }

  end(): void {
    if (this.progress === undefined) throw wrong('it has no progress record');
    const { next, pageviews } = this.progress;
    if (next < this.#from) throw wrong(`its position ${next} is before its generation’s cut ${this.#from}`);
    if (pageviews !== this.#inPages || pageviews !== this.#inDomains)
      throw wrong(
        `it has counted ${pageviews} pageviews, but its pages hold ${this.#inPages} and its domains ${this.#inDomains}`,
      );
    for (const [dimension, inValues] of this.#inDimensions)
      if (inValues > pageviews)
        throw wrong(`it has counted ${pageviews} pageviews, but its values of ${dimension} hold ${inValues}`);
  }
}

/** Reports stores that have read beyond the end of the log, or that do not begin where their batch view ends. */
export function checkPositions(
  { stores }: StoresAudit,
  log: { readonly id: string; readonly ends: ReadonlyMap<PartitionName, number> },
  cutOf: (id: ViewId) => Cut | undefined,
  report: Findings,
): void {
  for (const { dir, generation, logId, partition, from, next } of stores) {
    if (logId !== log.id) {
      report.add(`${dir} was made from log ${logId}, but this log is ${log.id}`, storeFix);
      continue;
    }
    const end = log.ends.get(partition) ?? 0;
    if (next > end)
      report.add(
        `${dir} has read ${partition} up to offset ${next}, but the log ends at ${end}: the log has lost records`,
        'restore log/ from a backup, or stop the system and run `swa recover` to see how to continue',
      );
    const cut = cutOf(generation)?.next[partition];
    if (cut !== undefined && cut !== from)
      report.add(`${dir} begins at offset ${from}, but batch view ${generation} ends at ${cut}`, storeFix);
  }
}
