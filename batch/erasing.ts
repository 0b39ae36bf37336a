/**
 * Rewrites files after an erasure. The exclusions in the log say what is erased, and the batch run that they start removes it from all answers.
 * Then this module works, step by step, until no file of the data directory contains the ids:
 *
 *   1. wait until older realtime stores are gone: those of generations that no worker uses any more
 *   2. order the owners of facts, the sink and the log's writer, to rewrite theirs; if one is not running, do its work here
 *   3. remove the star, older views, dead letters and rejected lines
 *   4. write the receipt
 *
 * Pageviews that have become too old (SWA_RETENTION_DAYS) are handled in the same way: a view leaves them out first (ViewMeta.keptFrom), then
 * their texts are rewritten. Older views are removed when newer ones replace them.
 *
 * Every step checks the disk for what is left to do, so after a crash the next call continues. No id is stored here: files are read again, and
 * each id in them is hashed.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isToErase } from '../facts/erased-record.js';
import {
  answerTo,
  erasedByAge,
  giveOrder,
  listErasures,
  newErasure,
  orderOf,
  saveErasedByAge,
  saveErasure,
  toErase,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
  type ErasureRecord,
} from '../facts/erasure-records.js';
import { eraseInLog } from '../facts/erase-log.js';
import { compareViewIds } from '../facts/views/view-id.js';
import type { BatchView, ViewId } from '../facts/views/view.js';
import type { Config } from '../lib/config/config.js';
import { hasCode } from '../lib/errors/errors.js';
import { roomOf } from '../lib/files/data-dir.js';
import { OwnerLock, liveLockOwner } from '../lib/files/owner-lock.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { removeScratch } from '../lib/files/removal.js';
import type { Clock } from '../lib/time/clock.js';
import { logLockPath, openLog, openLogWriter } from '../log/open-log.js';
import { namesIn } from '../log/stored.js';
import { sinkLockPath } from '../master-data/layout.js';
import { drainLogToMaster } from '../master-data/role.js';
import { removeStar } from '../master-data/star/head.js';
import { batchLockPath } from '../serving/batch-runs.js';
import { currentIfAny } from '../serving/current.js';
import { isViewId, viewPath } from '../serving/layout.js';
import { openView, removeViews, viewsWithout } from '../serving/store.js';

export interface ErasingContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called for each step just before its effect is recorded; if it throws, the work ends there. For tests that crash the process. */
  readonly onStep?: (step: ErasingStep) => void;
}

export const erasingSteps = [
  'excluded',
  'ordered',
  'master',
  'log',
  'views',
  'star',
  'set aside',
  'done',
] as const;
export type ErasingStep = (typeof erasingSteps)[number];

/**
 * Does what can be done now. Returns true if nothing is left: every erasure in the current view is complete. Returns false if it has to wait for
 * others; call again later. Throws errors of the disk; nothing is lost then.
 */
export async function advanceErasures(context: ErasingContext): Promise<boolean> {
  const { dataDir } = context.config;
  const current = currentIfAny(dataDir);
  if (current === undefined) return true;
  const open = openErasures(context, current);
  const keptFrom = withView(dataDir, current, ({ meta }) => meta.keptFrom) ?? 0;
  const olderThan = keptFrom > erasedByAge(dataDir) ? keptFrom : null;
  if (open.length === 0 && olderThan === null) return true;
  const isRid = removeOldStores(context.config, current);
  if (!isRid) return false;
  const order = theOrder(context, open, olderThan, current);
  if (!(await rewriteAll(context, order, open, current))) return false;
  context.onStep?.('done');
  const doneAt = context.clock();
  const notes = notesOf(context.config);
  for (const record of open) saveErasure(dataDir, { ...record, state: 'done', doneAt, notes });
  if (olderThan !== null) saveErasedByAge(dataDir, olderThan);
  return true;
}

/** Erasures that the current view applies and that are not done. Creates a record for those that have none yet. */
function openErasures({ config, clock, onStep }: ErasingContext, current: ViewId): ErasureRecord[] {
  const { dataDir } = config;
  const records = listErasures(dataDir);
  const excluded = erasedValues(dataDir, current);
  if (excluded.size === 0) return [];
  const recorded = new Set(records.flatMap(({ values }) => values));
  const unknown = [...excluded].filter((value) => !recorded.has(value));
  if (unknown.length > 0) records.push(newErasure(unknown, clock(), 'recorded'));
  return records
    .filter(({ state, values }) => state !== 'done' && values.every((value) => excluded.has(value)))
    .map((record) => {
      if (record.state === 'excluded') return record;
      onStep?.('excluded');
      const known: ErasureRecord = { ...record, state: 'excluded', view: current };
      saveErasure(dataDir, known);
      return known;
    });
}

function erasedValues(dataDir: string, id: ViewId): ReadonlySet<string> {
  return withView(dataDir, id, (view) => {
    const erased = view.exclusions().filter(({ by }) => by === 'erased');
    return new Set(erased.map(({ value }) => value));
  });
}

function withView<T>(dataDir: string, id: ViewId, look: (view: BatchView) => T): T {
  const view = openView(dataDir, id);
  try {
    return look(view);
  } finally {
    view.close();
  }
}

/**
 * Realtime stores of earlier generations contain edges as texts. A worker removes them after a hand-over; if none is running, this function
 * does. False while a worker runs and they still exist.
 */
function removeOldStores({ dataDir }: Config, current: ViewId): boolean {
  const old = namesIn(roomOf(dataDir, 'speed')).filter(
    (name) => isViewId(name) && compareViewIds(name, current) < 0,
  );
  if (old.length === 0) return true;
  const locks = namesIn(roomOf(dataDir, 'locks')).filter((name) => name.startsWith('speed-'));
  if (locks.some((name) => liveLockOwner(join(roomOf(dataDir, 'locks'), name)) !== undefined)) return false;
  for (const name of old) removeScratch(join(roomOf(dataDir, 'speed'), name));
  return true;
}

/** One order for all open erasures; the same one again after a crash. */
function theOrder(
  { config, onStep }: ErasingContext,
  open: readonly ErasureRecord[],
  olderThan: number | null,
  current: ViewId,
): ErasureOrder {
  const { dataDir } = config;
  const ids = [...open.map((record) => record.id), olderThan].join();
  const id = createHash('sha256').update(ids).digest('hex').slice(0, 16);
  const standing = orderOf(dataDir);
  if (standing?.id === id) return standing;
  onStep?.('ordered');
  const before = withView(dataDir, current, (view) => view.meta.cut.next);
  const order = {
    id,
    values: [...new Set(open.flatMap(({ values }) => values))].toSorted(),
    olderThan,
    before,
  };
  giveOrder(dataDir, order);
  return order;
}

/** False while others still work on the order, or use what is to be removed. Files are listed in the records before they are rewritten or removed. */
async function rewriteAll(
  context: ErasingContext,
  order: ErasureOrder,
  open: ErasureRecord[],
  current: ViewId,
): Promise<boolean> {
  const { config, onStep } = context;
  const { dataDir } = config;
  const note = (what: string, files: readonly ErasedFile[]): void => {
    for (const [i, record] of open.entries()) {
      const known = record.parts.find((part) => part.what === what)?.files ?? [];
      const others = record.parts.filter((part) => part.what !== what);
      const parts = [...others, { what, files: withFiles(known, files) }];
      open[i] = { ...record, parts };
      if (JSON.stringify(parts) !== JSON.stringify(record.parts)) saveErasure(dataDir, { ...record, parts });
    }
  };
  onStep?.('master');
  await storeAndErase(context, order);
  const master = answerTo(dataDir, order, 'master');
  if (master?.isDone !== true) return false;
  note('master dataset: rows have lost their texts', master.files);
  onStep?.('log');
  if (config.kafkaBrokers.length === 0) {
    await overwriteLog(context, order);
    const log = answerTo(dataDir, order, 'log');
    if (log?.isDone !== true) return false;
    note('log: records have lost their texts', log.files);
  }
  const gone = (paths: readonly string[]): ErasedFile[] =>
    paths.map((path) => ({ path: relative(dataDir, path), records: 0 }));
  onStep?.('views');
  const views = open.length === 0 ? [] : viewsWithout(dataDir, order.values);
  note(`batch views before ${current}: removed`, gone(views.map((id) => viewPath(dataDir, id))));
  if (removeViews(dataDir, views).length > 0) return false;
  onStep?.('star');
  note('star: removed, the next batch run makes it again', gone([roomOf(dataDir, 'star')]));
  if (!removeOldStar(dataDir)) return false;
  onStep?.('set aside');
  const letters = lettersOf(dataDir, order);
  note('dead letters of these ids: removed', gone(letters));
  const rejects = namesIn(roomOf(dataDir, 'rejected'))
    .map((name) => join(roomOf(dataDir, 'rejected'), name))
    .filter((path) => open.length > 0 || isOlder(path, order.olderThan));
  note('rejected lines of imports: removed, since an id in them cannot be told', gone(rejects));
  for (const path of [...letters, ...rejects]) removeScratch(path);
  return true;
}

/** Rewrites the master dataset if no sink is running to do it. */
async function storeAndErase({ config, clock, signal }: ErasingContext, order: ErasureOrder): Promise<void> {
  const { dataDir } = config;
  if (answerTo(dataDir, order, 'master')?.isDone === true || config.store !== '') return; // a shared dataset has a sink
  if (liveLockOwner(sinkLockPath(dataDir)) !== undefined) return;
  await unlessInUse(async () => {
    const log = await openLog(config, clock);
    try {
      await drainLogToMaster({ config, clock }, { log, signal });
    } finally {
      await log.close();
    }
  });
}

/** Overwrites the log's records if no collector is running to do it. */
async function overwriteLog({ config, clock, signal }: ErasingContext, order: ErasureOrder): Promise<void> {
  const { dataDir } = config;
  if (answerTo(dataDir, order, 'log')?.isDone === true) return;
  if (liveLockOwner(logLockPath(dataDir)) !== undefined) return;
  await unlessInUse(async () => {
    const log = await openLogWriter(config, clock);
    try {
      await eraseInLog(dataDir, log, order, signal);
    } finally {
      await log.close();
    }
  });
}

/** If an owner starts in the meantime, it does the work. */
async function unlessInUse(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasCode(error, 'data-dir.in-use')) throw error;
  }
}

/** False while a batch run is using the star. */
function removeOldStar(dataDir: string): boolean {
  let lock: OwnerLock;
  try {
    lock = OwnerLock.acquire(batchLockPath(dataDir), 'erasing', 'batch.running');
  } catch (error) {
    if (!hasCode(error, 'batch.running')) throw error;
    return false;
  }
  try {
    removeStar(roomOf(dataDir, 'star'));
    return true;
  } finally {
    lock.release();
  }
}

/** Dead letters that contain an erased id or cannot be read. Their records are in the log and in the master dataset too. */
function lettersOf(dataDir: string, order: ErasureOrder): string[] {
  const isErased = isToErase(toErase(dataDir, order));
  const dir = roomOf(dataDir, 'dead-letter');
  return namesIn(dir)
    .map((name) => join(dir, name))
    .filter((path) => {
      const value = valueIn(readIfThere(path) ?? '');
      return value === undefined || isErased(value, 'pageviews') || isErased(value, 'equivs');
    });
}

function isOlder(path: string, olderThan: number | null): boolean {
  const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return at !== undefined && olderThan !== null && at < olderThan;
}

function valueIn(letter: string): Uint8Array | undefined {
  try {
    const { value } = JSON.parse(letter) as { readonly value?: unknown };
    return typeof value === 'string' ? Buffer.from(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Copies that this system cannot erase. */
function notesOf({ dataDir, kafkaBrokers, store }: Config): string[] {
  const damaged = join(dataDir, 'damaged');
  return [
    ...(kafkaBrokers.length === 0
      ? []
      : [
          "Kafka still holds the records of these ids until its topics' retention (retention.ms) has passed; this system does not delete there.",
        ]),
    ...(store === ''
      ? []
      : [
          `${store} keeps data files that were replaced for a day, and batch views from before until newer ones have replaced them (SWA_BATCH_KEEP_VIEWS).`,
        ]),
    ...(existsSync(damaged)
      ? [`${damaged} holds files that \`swa recover\` has put aside; they may name these ids: delete it.`]
      : []),
    'Backups made before hold the ids: let them expire, and erase again after one was restored.',
  ];
}
