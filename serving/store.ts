/**
 * The published views of a data directory: find, open, publish, roll back, prune.
 *
 * Publication is a chain of steps of which only the last one counts: the view is built and fsynced in `building/`,
 * renamed to `views/<id>`, the directory is fsynced, then CURRENT is replaced. A crash before that leaves the old view
 * serving and something for `sweep` to remove; a crash after it leaves nothing to do.
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
import type { BatchView, ViewId, ViewMeta } from '../facts/views/view.js';
import { CellFile } from './cell-file.js';
import { damageHint, type FileSeal } from './checked-file.js';
import { codeVersion } from './code-version.js';
import { createCurrent, readCurrent, writeCurrent } from './current.js';
import { heldViews } from './held.js';
import {
  buildingDir,
  currentPath,
  isViewId,
  kindsOf,
  viewNumber,
  viewPath,
  viewsDir,
  type Kind,
} from './layout.js';
import { writeIdentity } from './identity.js';
import { readMeta, type StoredMeta } from './meta.js';
import { openViewAt } from './view-reader.js';
import { ViewWriter, type ViewParts } from './view-writer.js';

/** Opens a published view for reading; opening the same view twice is cheap. Throws `view.missing`, `view.corrupt`. */
export function openView(dataDir: string, id: ViewId): BatchView {
  return openViewAt(viewPath(dataDir, id));
}

/**
 * META of every view on disk, oldest first. Left out is what this version cannot tell about: a damaged META, or one that a
 * later version wrote.
 */
export function listViews(dataDir: string): ViewMeta[] {
  return viewIds(dataDir).flatMap((id) => ifReadable(() => readMeta(viewPath(dataDir, id)).view) ?? []);
}

/** The number of the next view: above those of all on disk, also of unreadable ones. */
export function nextViewNumber(dataDir: string): number {
  return Math.max(0, ...viewIds(dataDir).map(viewNumber)) + 1;
}

/**
 * Makes sure that there is a CURRENT: the empty view number 0 at `cut` unless something is published. Whoever starts
 * first calls it; several processes may at once (put-if-absent). A damaged CURRENT is left as it is.
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

/** The cells of a view that holds none. */
export async function emptyCells(
  writer: ViewWriter,
  dimensions: readonly string[],
): Promise<ViewParts['cells']> {
  const cells = new Map<Kind, FileSeal>();
  for (const kind of kindsOf(dimensions)) cells.set(kind, await new CellFile(writer.cellsPath(kind)).close());
  return cells;
}

/** Where a run may build its view: a path in `building/` that does not exist yet. */
export function newBuildingDir(dataDir: string, name: string): string {
  makeDirDurable(viewsDir(dataDir));
  mkdirSync(buildingDir(dataDir), { recursive: true });
  return join(buildingDir(dataDir), `${name}-${process.pid}-${process.hrtime.bigint().toString(36)}`);
}

/** Publishes a finished and verified build: afterwards all new readers see it. */
export function publish(dataDir: string, building: string, meta: StoredMeta): void {
  moveIntoPlace(dataDir, building, meta.view.id);
  writeCurrent(dataDir, meta.view.id);
}

/**
 * Makes an older (or newer) view on disk the current one; by default the newest older one that is whole. All its files are
 * read before, to the last byte. Throws `view.missing` when it is not there, `view.corrupt` when it could not serve;
 * then nothing has changed.
 */
export async function rollBack(dataDir: string, to?: ViewId): Promise<ViewMeta> {
  if (to !== undefined) return serveChecked(dataDir, to);
  const current = ifReadable(() => readCurrent(dataDir));
  const older = viewIds(dataDir).filter((id) => current === undefined || id < current);
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

/** Whether this version can answer from the view that CURRENT names, as far as opening it shows. */
export function currentServes(dataDir: string): boolean {
  const current = ifReadable(() => readCurrent(dataDir));
  return current !== undefined && canBeOpened(viewPath(dataDir, current));
}

/** No one comes back: a view that was made before an erasure serves no more. */
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

/** Undefined for a view, or a CURRENT, that is damaged, of another version, or gone. */
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
 * Removes all but the newest `keep` views, the current one and those that someone holds; returns what is gone. Readers
 * that have one open are not disturbed. A view is first put away in one step, then the holds are read once more: so who
 * holds it in this very moment either keeps it, or finds it missing when it opens it after that, but never loses it later.
 *
 * @param readHolds asked before anything is removed, and again for each view that was put away
 */
export function prune(dataDir: string, keep: number, readHolds = heldViews): ViewId[] {
  const current = readCurrent(dataDir);
  const ids = viewIds(dataDir);
  const held = readHolds(dataDir);
  const doomed = ids
    .slice(0, Math.max(0, ids.length - keep))
    .filter((id) => id !== current && !held.has(id))
    .filter((id) => putAway(dataDir, id, readHolds));
  return doomed;
}

/** Every view but the current one that was made without these erasures, or cannot be opened. */
export function viewsWithout(dataDir: string, erased: readonly string[]): ViewId[] {
  const current = readCurrent(dataDir);
  return viewIds(dataDir).filter((id) => id !== current && missingErasures(dataDir, id, erased));
}

/** Removes views other than the current one; returns those that someone holds, which are left: ask again. */
export function removeViews(dataDir: string, ids: readonly ViewId[]): ViewId[] {
  const current = readCurrent(dataDir);
  const held = heldViews(dataDir);
  return ids.filter((id) => id === current || held.has(id) || !putAway(dataDir, id, heldViews));
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

/** False when someone has come to hold the view meanwhile: then it is back in its place. */
function putAway(dataDir: string, id: ViewId, readHolds: typeof heldViews): boolean {
  const away = newBuildingDir(dataDir, 'pruned');
  moveDurably(viewPath(dataDir, id), away);
  try {
    if (!readHolds(dataDir).has(id)) {
      // Throws, and the view is back, when the one that serves instead cannot be opened.
      removeReplaced([away], () => openView(dataDir, readCurrent(dataDir)).close());
      return true;
    }
  } finally {
    if (existsSync(away)) moveDurably(away, viewPath(dataDir, id));
  }
  return false;
}

/** Removes what killed runs left behind. Only for the holder of the batch lock. */
export function sweep(dataDir: string): void {
  removeScratch(buildingDir(dataDir));
}

/** Reads all files of a view and compares them with META. Throws `view.corrupt` naming the first that differs. */
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
    return readdirSync(viewsDir(dataDir)).filter(isViewId).toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * An equal view already there (same number, same content) is as good if it can be opened: the build is dropped. Else it goes to
 * what is swept, and the build takes its place.
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
    fsyncDir(viewsDir(dataDir)); // who moved it there may have been killed before its name was durable
  }
}
