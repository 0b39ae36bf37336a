/**
 * The published views of a data directory: list, open, publish, roll back, prune.
 *
 * Publication is a sequence of steps of which only the last one counts: the view is built and fsynced in `building/`, renamed to `views/<id>`,
 * the directory is fsynced, then CURRENT is replaced. A crash before that leaves the old view serving and leftovers for `sweep`; after it
 * nothing is left to do.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { digestFile } from '../lib/files/digest.js';
import { fsyncDir, makeDirDurable } from '../lib/files/durable.js';
import { moveAside, moveDurably, removeReplaced, removeScratch } from '../lib/files/removal.js';
import type { Cut } from '../log/log.js';
import type { BucketMinutes } from '../lib/time/buckets.js';
import { PackedTexts } from '../lib/memory/packed-texts.js';
import { listErasures } from '../facts/erasure-records.js';
import type { Rules } from '../facts/rules.js';
import { compareViewIds, viewNumber } from '../facts/views/view-id.js';
import type { BatchView, ViewId, ViewMeta } from '../facts/views/view.js';
import { CellFile } from './cell-file.js';
import { damageHint, type FileSeal } from './checked-file.js';
import { codeVersion } from './code-version.js';
import { createCurrent, readCurrent, writeCurrent } from './current.js';
import { heldViews } from './held.js';
import { buildingDir, currentPath, isViewId, kindsOf, viewPath, viewsDir, type Kind } from './layout.js';
import { writeIdentity } from './identity.js';
import { readMeta, type StoredMeta } from './meta.js';
import { openViewAt } from './view-reader.js';
import { ViewWriter, type ViewParts } from './view-writer.js';

/** Opens a published view for reading; cheap. Throws `view.missing`, `view.corrupt`. */
export function openView(dataDir: string, id: ViewId): BatchView {
  return openViewAt(viewPath(dataDir, id));
}

/** META of every view on disk, oldest first, except views whose META is damaged or of a later version. */
export function listViews(dataDir: string): ViewMeta[] {
  return viewIds(dataDir).flatMap((id) => ifReadable(() => readMeta(viewPath(dataDir, id)).view) ?? []);
}

/** Number of the next view: greater than those of all views on disk, readable or not. */
export function nextViewNumber(dataDir: string): number {
  return Math.max(0, ...viewIds(dataDir).map(viewNumber)) + 1;
}

/**
 * Makes sure that CURRENT exists: unless a view is published, publishes the empty view number 0 at `cut`. The process that starts first calls
 * this; several may at once (put-if-absent). A damaged CURRENT is left unchanged.
 */
export async function ensureGenesis(
  dataDir: string,
  genesis: {
    readonly cut: Cut;
    readonly lgK: number;
    readonly bucketMinutes: BucketMinutes;
    readonly rules: Pick<Rules, 'versions'> & { readonly dimensions: Pick<Rules['dimensions'], 'names'> };
    readonly createdAt: number;
  },
): Promise<void> {
  if (existsSync(currentPath(dataDir))) return;
  const building = newBuildingDir(dataDir, 'genesis');
  const dimensions = genesis.rules.dimensions.names;
  const values = Object.fromEntries(dimensions.map((name) => [name, 0]));
  const counts = { pageviews: 0, pages: 0, domains: 0, values, persons: 0, mappedIds: 0 };
  const writer = new ViewWriter(building, dimensions);
  const parts = {
    identity: await writeIdentity(writer.identityPath, new PackedTexts(), []),
    cells: await emptyCells(writer, dimensions),
  };
  const meta = await writer.finish(
    {
      ...genesis,
      rules: genesis.rules.versions,
      maxPersonIds: 0,
      retractions: 0,
      gaps: [],
      number: 0,
      codeVersion,
      counts,
    },
    parts,
  );
  moveIntoPlace(dataDir, building, meta.view.id);
  createCurrent(dataDir, meta.view.id);
}

/** Empty cell files of all kinds. */
export async function emptyCells(
  writer: ViewWriter,
  dimensions: readonly string[],
): Promise<ViewParts['cells']> {
  const cells = new Map<Kind, FileSeal>();
  for (const kind of kindsOf(dimensions)) cells.set(kind, await new CellFile(writer.cellsPath(kind)).close());
  return cells;
}

/** A new path in `building/` for a run to build its view at. */
export function newBuildingDir(dataDir: string, name: string): string {
  makeDirDurable(viewsDir(dataDir));
  mkdirSync(buildingDir(dataDir), { recursive: true });
  return join(buildingDir(dataDir), `${name}-${process.pid}-${process.hrtime.bigint().toString(36)}`);
}

/** Publishes a finished and verified build: all new readers then see it. */
export function publish(dataDir: string, building: string, meta: StoredMeta): void {
  moveIntoPlace(dataDir, building, meta.view.id);
  writeCurrent(dataDir, meta.view.id);
}

/**
 * Makes another view on disk the current one, by default the newest older one that is intact. Reads all its files completely first. Throws
 * `view.missing` if it does not exist, `view.corrupt` if it is damaged, `view.refused` if it was made before an erasure; CURRENT is then
 * unchanged.
 */
export async function rollBack(dataDir: string, to?: ViewId): Promise<ViewMeta> {
  if (to !== undefined) return serveChecked(dataDir, to);
  const current = ifReadable(() => readCurrent(dataDir));
  const older = viewIds(dataDir).filter((id) => current === undefined || compareViewIds(id, current) < 0);
  for (const id of older.toReversed()) {
    try {
      return await serveChecked(dataDir, id);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  throw new SwaError(
    'view.missing',
    `there is no view ${current === undefined ? '' : `older than ${current} `}to roll back to` +
      (older.length > 0 ? ` that is intact and readable by this version: ${older.join(', ')}` : ''),
    {
      hint: '`swa batch list` lists the views on disk and `swa verify` checks them; `swa batch run` builds one from the master dataset',
    },
  );
}

async function serveChecked(dataDir: string, id: ViewId): Promise<ViewMeta> {
  openView(dataDir, id).close();
  requireErasures(dataDir, id);
  const { view } = await checkSeals(viewPath(dataDir, id));
  writeCurrent(dataDir, id);
  return view;
}

/** Whether the view that CURRENT names can be opened by this version. */
export function currentServes(dataDir: string): boolean {
  const current = ifReadable(() => readCurrent(dataDir));
  return current !== undefined && canBeOpened(viewPath(dataDir, current));
}

/** Throws `view.refused` if a view was made before an erasure, and so still counts erased ids. */
function requireErasures(dataDir: string, id: ViewId): void {
  const current = ifReadable(() => openView(dataDir, readCurrent(dataDir)));
  const inForce = current?.exclusions().filter(({ by }) => by === 'erased') ?? [];
  current?.close();
  const recorded = listErasures(dataDir).filter(({ view }) => view !== null);
  const values = [...inForce.map(({ value }) => value), ...recorded.flatMap((record) => record.values)];
  if (values.length === 0 || !missingErasures(dataDir, id, values)) return;
  throw new SwaError(
    'view.refused',
    `${id} was made before an erasure: it still counts ids that were erased`,
    {
      hint: 'it is about to be removed; `swa batch run` makes a new view',
    },
  );
}

function canBeOpened(dir: string): boolean {
  const view = ifReadable(() => openViewAt(dir));
  view?.close();
  return view !== undefined;
}

/** Undefined if a view or CURRENT is damaged, of another version, or gone. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof SwaError && (error.code === 'view.corrupt' || error.code === 'view.missing');
}

/**
 * Removes all views except the newest `keep`, the current one and held ones; returns the removed ids. Readers that have one open are not
 * disturbed. A view is first moved away in one step, then the holds are read again: a holder that arrives at this moment either keeps the view
 * or finds it missing when it opens it, but never loses it later.
 *
 * @param readHolds called before anything is removed, and again for each view that was moved away
 */
export function prune(dataDir: string, keep: number, readHolds = heldViews): ViewId[] {
  const current = readCurrent(dataDir);
  const ids = viewIds(dataDir);
  const held = readHolds(dataDir);
  const removed = ids
    .slice(0, Math.max(0, ids.length - keep))
    .filter((id) => id !== current && !held.has(id))
    .filter((id) => removeUnlessHeld(dataDir, id, readHolds));
  return removed;
}

/** Views other than the current one that were made without these erasures, or cannot be opened. */
export function viewsWithout(dataDir: string, erased: readonly string[]): ViewId[] {
  const current = readCurrent(dataDir);
  return viewIds(dataDir).filter((id) => id !== current && missingErasures(dataDir, id, erased));
}

/** Whether a view here can be opened and was made with all these erasures. */
export function holdsErasures(dataDir: string, id: ViewId, erased: readonly string[]): boolean {
  return !missingErasures(dataDir, id, erased);
}

/** Removes views other than the current one. Returns those that are held and so were not removed: try them again later. */
export function removeViews(dataDir: string, ids: readonly ViewId[]): ViewId[] {
  const current = readCurrent(dataDir);
  const held = heldViews(dataDir);
  return ids.filter((id) => id === current || held.has(id) || !removeUnlessHeld(dataDir, id, heldViews));
}

function missingErasures(dataDir: string, id: ViewId, erased: readonly string[]): boolean {
  const view = ifReadable(() => openView(dataDir, id));
  if (view === undefined) return true;
  try {
    const known = new Set(view.exclusions().flatMap(({ by, value }) => (by === 'erased' ? [value] : [])));
    return erased.some((value) => !known.has(value));
  } finally {
    view.close();
  }
}

/** Removes a view unless it is held by now. Returns false, with the view back in its place, if it is held. */
function removeUnlessHeld(dataDir: string, id: ViewId, readHolds: typeof heldViews): boolean {
  const away = newBuildingDir(dataDir, 'pruned');
  moveDurably(viewPath(dataDir, id), away);
  try {
    if (!readHolds(dataDir).has(id)) {
      // If the current view cannot be opened, this throws and the view is moved back.
      removeReplaced([away], () => openView(dataDir, readCurrent(dataDir)).close());
      return true;
    }
  } finally {
    if (existsSync(away)) moveDurably(away, viewPath(dataDir, id));
  }
  return false;
}

/** Removes leftovers of killed runs. Only for the holder of the batch lock. */
export function sweep(dataDir: string): void {
  removeScratch(buildingDir(dataDir));
}

/** Reads all files of a view and compares them with META. Throws `view.corrupt` for the first that differs. */
export async function checkSeals(dir: string): Promise<StoredMeta> {
  const meta = readMeta(dir);
  for (const expected of meta.files) {
    const actual = await digestFile(join(dir, expected.name));
    if (actual.sha256 !== expected.sha256) {
      throw new SwaError(
        'view.corrupt',
        `${join(dir, expected.name)} has SHA-256 ${actual.sha256} (${actual.sizeBytes} bytes), META says ${expected.sha256} (${expected.sizeBytes} bytes)`,
        { hint: damageHint },
      );
    }
  }
  return meta;
}

/** Ids of the views on disk, oldest first. */
export function viewIds(dataDir: string): ViewId[] {
  try {
    return readdirSync(viewsDir(dataDir)).filter(isViewId).toSorted(compareViewIds);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Moves a build into `views/`. If an equal view (same number, same content) exists and can be opened, the build is dropped; if it cannot be
 * opened, it is moved to `building/`, which is swept, and the build takes its place.
 */
export function moveIntoPlace(dataDir: string, building: string, id: ViewId): void {
  const place = viewPath(dataDir, id);
  try {
    if (existsSync(place) && !canBeOpened(place)) moveAside(place, buildingDir(dataDir));
    moveDurably(building, place);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    removeScratch(building);
    fsyncDir(viewsDir(dataDir)); // the process that moved it there may have been killed before the name was durable
  }
}
