/**
 * Audits the serving layer's folders: files that no META lists, damaged CURRENT and holds, and views that count facts missing from the master
 * dataset. The content of views is checked by batch/audit.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from '../lib/files/read-if-there.js';
import type { Findings } from '../lib/errors/finding.js';
import type { Cut, Offsets } from '../log/log.js';
import { namesOf, offsetAt } from '../log/cut.js';
import { namesIn } from '../log/stored.js';
import { validJson } from '../lib/files/valid-json.js';
import type { ViewId } from '../facts/views/view.js';
import { readCurrent } from './current.js';
import { heldSchema } from './held.js';
import { buildingDir, currentPath, fileNames, heldDir, isViewId, viewPath, viewsDir } from './layout.js';
import { readMeta, type StoredMeta } from './meta.js';

export const viewFix =
  '`swa batch run` makes a new view, `swa batch rollback` publishes an older one until then, `swa recover --yes` moves a damaged one aside';

/** Audits the folders and returns the cuts of all views with a readable META. */
export function auditViewFolders(dataDir: string, report: Findings): ReadonlyMap<ViewId, Cut> {
  const serving = join(currentPath(dataDir), '..');
  reportOthers(
    serving,
    (name) => ['CURRENT', 'views', 'held', 'building', 'fetching'].includes(name),
    report,
  );
  for (const name of namesIn(buildingDir(dataDir)))
    report.leftover(
      `${join(buildingDir(dataDir), name)} is a view that was never published, or was removed`,
      'nothing: the next batch run removes it',
    );
  reportOthers(viewsDir(dataDir), isViewId, report);
  const cuts = new Map<ViewId, Cut>();
  for (const id of namesIn(viewsDir(dataDir)).filter((name) => isViewId(name))) {
    const meta = metaIfWhole(viewPath(dataDir, id));
    if (meta === undefined) continue;
    cuts.set(id, meta.view.cut);
    const isNamed = new Set([fileNames.meta, ...meta.files.map(({ name }) => name)]);
    const isExpected = (name: string): boolean => isNamed.has(name) || name.endsWith('.mdb-lock'); // '.mdb-lock': format 5
    reportOthers(viewPath(dataDir, id), isExpected, report);
  }
  auditHolds(dataDir, report);
  auditCurrent(dataDir, report);
  return cuts;
}

function metaIfWhole(dir: string): StoredMeta | undefined {
  try {
    return readMeta(dir);
  } catch {
    return undefined; // reported by the audit of the views' content
  }
}

function reportOthers(dir: string, isExpected: (name: string) => boolean, report: Findings): void {
  for (const name of namesIn(dir)) {
    if (isExpected(name)) continue;
    if (name.endsWith('.tmp')) report.leftover(join(dir, name), 'nothing: this file is never read');
    else
      report.add(
        `${join(dir, name)} does not belong to the batch views`,
        'move it out of the data directory',
      );
  }
}

function auditHolds(dataDir: string, report: Findings): void {
  for (const name of namesIn(heldDir(dataDir))) {
    const path = join(heldDir(dataDir), name);
    if (name.endsWith('.tmp')) continue;
    const fix =
      'stop the system and run `swa recover --yes`, which moves it aside: the role it is named after writes it again';
    const text = report.attempt(path, fix, () => readIfThere(path));
    if (text !== undefined && validJson(heldSchema, text) === undefined)
      report.add(`${path} is damaged: cannot tell which views it keeps, so none are removed`, fix);
  }
}

/** Reports a missing CURRENT, or one that names a missing view. A damaged one is reported by the audit of the views' content. */
function auditCurrent(dataDir: string, report: Findings): void {
  const path = currentPath(dataDir);
  if (!existsSync(path)) {
    if (namesIn(viewsDir(dataDir)).length > 0)
      report.add(`${path} is missing: no view is published`, viewFix);
    return;
  }
  let current: ViewId;
  try {
    current = readCurrent(dataDir);
  } catch {
    return;
  }
  if (!existsSync(viewPath(dataDir, current)))
    report.add(`${path} names ${current}, which is missing`, viewFix);
}

const beyondWayOn =
  'restore master/ and log/ from copies; or move it out of the data directory, and `swa batch run` or `swa batch rollback` publishes another view';

/**
 * Reports views of another log, or beyond the cut of the master dataset.
 *
 * @param logEnd end of the log: the sink stores again what the log still has
 */
export function checkViewCuts(
  dataDir: string,
  cuts: ReadonlyMap<ViewId, Cut>,
  master: Cut,
  logEnd: Partial<Offsets>,
  report: Findings,
): void {
  for (const [id, cut] of cuts) {
    const path = viewPath(dataDir, id);
    if (cut.logId !== master.logId) {
      report.add(
        `${path} was made from log ${cut.logId}, but the master dataset was made from log ${master.logId}`,
        beyondWayOn,
      );
      continue;
    }
    for (const name of namesOf(cut.next)) {
      const [end, stored] = [offsetAt(cut.next, name), master.next[name] ?? 0];
      if (end <= stored) continue;
      report.add(
        `${path} counts facts up to offset ${end} of ${name}, but the master dataset ends at ${stored}`,
        end <= (logEnd[name] ?? 0)
          ? 'start the sink: manifests or files are missing, and it stores again what is still in the log'
          : beyondWayOn,
      );
    }
  }
}
