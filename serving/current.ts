/**
 * CURRENT: the small file that names the view that answers are computed from. The view's id on the first line, the hash of that line on the
 * second (lib/files/sealed.ts); versions before view format 6 wrote the id alone.
 */
import { readFileSync, statSync } from 'node:fs';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { createFile, replaceFile } from '../lib/files/durable.js';
import { sealLine, unsealLine } from '../lib/files/sealed.js';
import type { ViewId } from '../facts/views/view.js';
import { currentPath, isViewId } from './layout.js';

const hint =
  '`swa batch list` lists the views on disk, `swa batch rollback <view>` publishes one of them, `swa batch run` makes a new one';

/** The current view's id. Throws `view.missing` before the first publication, `view.corrupt` if the file is damaged. */
export function readCurrent(dataDir: string): ViewId {
  const path = currentPath(dataDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    throw new SwaError('view.missing', `no batch view is published: ${path} does not exist`, { cause, hint });
  }
  const id = unsealLine(text)?.body ?? text.trim();
  if (isViewId(id)) return id;
  throw new SwaError('view.corrupt', `${path} ${whatIsWrong(text)}: cannot tell which view is published`, {
    hint,
  });
}

function whatIsWrong(text: string): string {
  if (text === '') return 'is empty';
  return `is damaged: it holds ${JSON.stringify(text.slice(0, 80))}, not a view's name and its hash`;
}

/** Like `readCurrent`, but undefined if there is none or it is damaged. */
export function currentIfAny(dataDir: string): ViewId | undefined {
  try {
    return readCurrent(dataDir);
  } catch (error) {
    if (error instanceof SwaError && (error.code === 'view.missing' || error.code === 'view.corrupt'))
      return undefined;
    throw error;
  }
}

/** Switches all readers to another view: the commit point of publication and of roll back. */
export function writeCurrent(dataDir: string, id: ViewId): void {
  replaceFile(currentPath(dataDir), sealLine(id).text);
}

/** Creates CURRENT; false if it already exists. */
export function createCurrent(dataDir: string, id: ViewId): boolean {
  return createFile(currentPath(dataDir), sealLine(id).text);
}

/** Detects a new CURRENT by one stat call (microseconds), so it may be called often. */
export class CurrentWatch {
  readonly #dataDir: string;
  #seen = '';
  #id: ViewId | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** The current view's id; reads the file only after it was replaced. */
  current(): ViewId {
    const stat = statSync(currentPath(this.#dataDir), { bigint: true, throwIfNoEntry: false });
    const seen = stat === undefined ? '' : `${stat.ino}:${stat.mtimeNs}`;
    if (this.#id === undefined || seen !== this.#seen) {
      this.#id = readCurrent(this.#dataDir);
      this.#seen = seen;
    }
    return this.#id;
  }
}
