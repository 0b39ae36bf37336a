/**
 * Paths of the serving layer, and the content of a view directory:
 *
 *   serving/
 *     CURRENT                     id of the view that answers are computed from; replacing it publishes
 *     views/v000042-5f3a9c1e/     one immutable view; the number counts runs, the hex is the start of its content hash
 *       META.json                 the view's inputs and counts, SHA-256 of the files below and of itself
 *       index.dat                 positions of the subjects (serving/index-file.ts)
 *       identity.dat              persons and their ids (serving/identity.ts)
 *       pages.dat, domains.dat    packed buckets of all pages and all domains (serving/arrays/cells.ts)
 *       value-<dimension>.dat     packed buckets of all values of a dimension, over all domains
 *     held/<holder>.json          views that a holder still needs: not pruned (serving/held.ts)
 *     building/                   temporary directories of views not yet published, or pruned; swept by the next run
 *     fetching/                   views being downloaded from an object store
 */
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { roomOf } from '../lib/files/data-dir.js';
import type { ViewId } from '../facts/views/view.js';

/** Increment when the bytes of a view directory change their meaning. Part of every view's `codeVersion`. */
export const formatVersion = 9;
/** Oldest format that can be opened. Format 6 has no dimensions, and another content hash. */
export const oldestReadable = 6;
/** First format with exclusions. */
export const firstWithExclusions = 8;
/** First format with pageviews and durations of visits. */
export const firstWithVisitLengths = 9;

export const fileNames = {
  meta: 'META.json',
  index: 'index.dat',
  identity: 'identity.dat',
  pages: cellsName('pages'),
  domains: cellsName('domains'),
} as const;

/** Kinds of subjects in a view: each has a cell file and a table in the index. */
export type Kind = 'pages' | 'domains' | `value-${string}`;

export function kindOf(dimension: string): Kind {
  return `value-${dimension}`;
}

export function kindsOf(dimensions: readonly string[]): readonly Kind[] {
  return ['pages', 'domains', ...dimensions.map(kindOf)];
}

export function cellsName(kind: Kind): `${Kind}.dat` {
  return `${kind}.dat`;
}

export function currentPath(dataDir: string): string {
  return join(roomOf(dataDir, 'serving'), 'CURRENT');
}

export function viewsDir(dataDir: string): string {
  return join(roomOf(dataDir, 'serving'), 'views');
}

export function heldDir(dataDir: string): string {
  return join(roomOf(dataDir, 'serving'), 'held');
}

export function fetchingDir(dataDir: string): string {
  return join(roomOf(dataDir, 'serving'), 'fetching');
}

export function buildingDir(dataDir: string): string {
  return join(roomOf(dataDir, 'serving'), 'building');
}

export function viewPath(dataDir: string, id: ViewId): string {
  return join(viewsDir(dataDir), id);
}

export function makeViewId(number: number, contentHash: string): ViewId {
  return parseViewId(`v${String(number).padStart(6, '0')}-${contentHash.slice(0, 8)}`);
}

/** Throws `view.missing` if the text is not a view id. */
export function parseViewId(text: string): ViewId {
  if (!isViewId(text)) throw new SwaError('view.missing', `'${text}' is not the name of a batch view`);
  return text;
}

export function isViewId(text: string): text is ViewId {
  return /^v\d{6,}-[0-9a-f]{8}$/.test(text);
}
