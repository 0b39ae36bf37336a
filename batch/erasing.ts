/**
 * Rewrites files after an erasure. The exclusions in the log say what is erased, and the batch run that they start removes it from all answers.
 * Then this module works, step by step, until no file of the data directory contains the ids:
 *
 *   1. wait until older realtime stores are gone: those of generations that no worker uses any more
 *   2. order the owners of facts, the sink and the log's writer, to rewrite theirs; if one is not running, do its work here
 *   3. remove the star, older views, dead letters and rejected lines
 *   4. where hosts share facts: remove older shared views, and wait until the other hosts have removed their copies
 *   5. write the receipt
 *
 * Pageviews that have become too old (SWA_RETENTION_DAYS) are handled in the same way: a view leaves them out first (ViewMeta.keptFrom), then
 * their texts are rewritten. Older views are removed when newer ones replace them.
 *
 * Every step checks the disk for what is left to do, so after a crash the next call continues. No id is stored here: files are read again, and
 * each id in them is hashed.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  readAnswer,
  erasedByAge,
  saveOrder,
  listErasures,
  newErasure,
  readOrder,
  saveErasedByAge,
  saveErasure,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
  type ErasureRecord,
} from '../facts/erasure-records.js';
import { saveAgedEdges } from '../facts/aged-edges.js';
import { erasureHashOf } from '../facts/erasures.js';
import { createSecret } from '../lib/files/dir-secret.js';
import { hashBytes } from '../lib/memory/keyed-hash.js';
import { pinSnapshot, type PinnedSnapshot } from '../master-data/pins.js';
import { agedPairs } from './aged-pairs.js';
import { eraseInLog, recordErasures } from '../facts/erase-log.js';
import { makeRules } from '../facts/rules.js';
import { compareViewIds } from '../facts/views/view-id.js';
import type { BatchView, ViewId } from '../facts/views/view.js';
import type { Config } from '../lib/config/config.js';
import { hasCode } from '../lib/errors/errors.js';
import { liveLockOwner } from '../lib/files/owner-lock.js';
import type { Clock } from '../lib/time/clock.js';
import { logLockPath, openLog, openLogWriter } from '../log/open-log.js';
import { sinkLockPath } from '../master-data/layout.js';
import { drainLogToMaster } from '../master-data/role.js';
import { currentIfAny } from '../serving/current.js';
import { isViewId } from '../serving/layout.js';
import { openView } from '../serving/store.js';
import { eraseHere, removeOldStores, whileErasing } from './erase-here.js';

export interface ErasingContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Set if other hosts share the master dataset and views. */
  readonly shared?: SharedErasing | undefined;
  /** Called for each step just before its effect is recorded; if it throws, the work ends there. For tests that crash the process. */
  readonly onStep?: (step: ErasingStep) => void;
}

/** What several hosts share, as far as erasing goes. */
export interface SharedErasing {
  /** For messages. */
  readonly url: string;
  /** Has records and orders of all hosts here, and of this one there. */
  exchange(): Promise<void>;
  /** Has the facts of the newest manifests here until `release`. */
  fetchFacts(what: string): Promise<PinnedSnapshot>;
  /** Gives an order to all hosts, this one among them, with the file of its edges. */
  saveOrder(order: ErasureOrder): Promise<void>;
  /**
   * Removes the shared batch views that were made before a view. Returns false while the realtime view still starts from one.
   * @param onRemoval called with what will be removed
   */
  removeViewsBefore(id: ViewId, onRemoval: (paths: readonly string[]) => void): Promise<boolean>;
  /** Removes copies of shared facts that are not up to date. Returns false while some are being read. */
  carryOutHere(): Promise<boolean>;
  /** Names of living hosts that have not carried out an order yet. */
  hostsWithout(orderId: string): Promise<readonly string[]>;
}

export const erasingSteps = [
  'excluded',
  'realtime stores',
  'ordered',
  'master',
  'log',
  'views',
  'star',
  'set aside',
  'shared views',
  'hosts',
  'done',
] as const;
export type ErasingStep = (typeof erasingSteps)[number];

/**
 * Does what can be done now. Returns true if nothing is left: every erasure in the current view is complete. Returns false if it has to wait for
 * others; call again later. Throws errors of the disk; nothing is lost then.
 */
export async function advanceErasures(context: ErasingContext): Promise<boolean> {
  const { dataDir } = context.config;
  await recordRequested(context.config, context.clock);
  await context.shared?.exchange();
  const current = currentIfAny(dataDir);
  if (current === undefined) return true;
  const open = openErasures(context, current);
  const keptFrom = withView(dataDir, current, ({ meta }) => meta.keptFrom) ?? 0;
  const olderThan = keptFrom > erasedByAge(dataDir) ? keptFrom : null;
  if (open.length === 0 && olderThan === null) return true;
  const at = watched(context);
  const isDone = await whileErasing(dataDir, async () => {
    let isComplete = false;
    try {
      isComplete = await carryOut(at, open, olderThan, current);
      return isComplete;
    } finally {
      if (!isComplete) for (const record of open) saveStep(dataDir, record, at.step());
    }
  });
  if (isDone) await context.shared?.exchange();
  return isDone;
}

interface Watched extends ErasingContext {
  readonly onStep: (step: ErasingStep) => void;
  /** Says what exactly the last step waits for. */
  readonly onWaiting: (what: string) => void;
  /** The last step, and what it waits for. */
  step(): string;
}

/** The context, which remembers its last step. */
function watched(context: ErasingContext): Watched {
  let last = 'excluded';
  return {
    ...context,
    onStep(step) {
      last = step;
      context.onStep?.(step);
    },
    onWaiting: (what) => (last = `${last}: ${what}`),
    step: () => last,
  };
}

function saveStep(dataDir: string, record: ErasureRecord, step: string): void {
  if (record.step !== step) saveErasure(dataDir, { ...record, step });
}

async function carryOut(
  context: Watched,
  open: ErasureRecord[],
  olderThan: number | null,
  current: ViewId,
): Promise<boolean> {
  const { config, clock, onStep } = context;
  const { dataDir } = config;
  onStep('realtime stores');
  if (!removeOldStores(dataDir, current)) return false;
  const order = await currentOrder(context, open, olderThan, current);
  if (!(await rewriteAll(context, order, open, current))) return false;
  onStep('done');
  const doneAt = clock();
  const notes = notesOf(config);
  for (const record of open) saveErasure(dataDir, { ...record, state: 'done', doneAt, step: null, notes });
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

/** One order for all open erasures; the same one again after a crash. */
async function currentOrder(
  { config, onStep, shared }: ErasingContext,
  open: readonly ErasureRecord[],
  olderThan: number | null,
  current: ViewId,
): Promise<ErasureOrder> {
  const { dataDir } = config;
  const ids = [...open.map((record) => record.id), olderThan].join();
  const id = createHash('sha256').update(ids).digest('hex').slice(0, 16);
  const standing = readOrder(dataDir);
  if (standing?.id === id) return standing;
  onStep?.('ordered');
  const before = withView(dataDir, current, (view) => view.meta.cut.next);
  const edges = olderThan === null ? 0 : await orderEdges(config, shared, id, olderThan);
  const order = {
    id,
    values: [...new Set(open.flatMap(({ values }) => values))].toSorted(),
    olderThan,
    edges,
    before,
  };
  if (shared === undefined) saveOrder(dataDir, order);
  else await shared.saveOrder(order);
  return order;
}

/** Writes the file of the edges that are too old; returns the number of their pairs. */
async function orderEdges(
  config: Config,
  shared: SharedErasing | undefined,
  orderId: string,
  olderThan: number,
): Promise<number> {
  const { dataDir } = config;
  createSecret(dataDir); // no-op if it exists; directories of earlier versions have none
  const pinned = shared === undefined ? pinSnapshot(dataDir, 'erasing') : await shared.fetchFacts('erasing');
  try {
    const content = await agedPairs(config, pinned.snapshot, olderThan, erasureHashOf(dataDir));
    if (content.length > 0) saveAgedEdges(dataDir, orderId, content);
    return content.length / hashBytes;
  } finally {
    pinned.release();
  }
}

/** False while others still work on the order, or use what is to be removed. Files are listed in the records before they are rewritten or removed. */
async function rewriteAll(
  context: Watched,
  order: ErasureOrder,
  open: ErasureRecord[],
  current: ViewId,
): Promise<boolean> {
  const { config, onStep, shared } = context;
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
  onStep('master');
  await storeAndErase(context, order);
  const master = readAnswer(dataDir, order, 'master');
  if (master?.isDone !== true) return false;
  note('master dataset: rows have lost their texts', master.files);
  onStep('log');
  if (config.kafkaBrokers.length === 0) {
    await overwriteLog(context, order);
    const log = readAnswer(dataDir, order, 'log');
    if (log?.isDone !== true) return false;
    note('log: records have lost their texts', log.files);
  }
  if (!eraseHere({ dataDir, order, current, onStep, note })) return false;
  return shared === undefined || eraseShared(context, shared, order, open, note);
}

/** What is left to do where several hosts share facts and views. */
async function eraseShared(
  { onStep, onWaiting }: Watched,
  shared: SharedErasing,
  order: ErasureOrder,
  open: readonly ErasureRecord[],
  note: (what: string, files: readonly ErasedFile[]) => void,
): Promise<boolean> {
  const firsts = open.flatMap(({ view }) => (view !== null && isViewId(view) ? [view] : []));
  const first = firsts.toSorted(compareViewIds).at(-1);
  const onRemoval = (paths: readonly string[]): void =>
    note(
      `${shared.url}: batch views before ${first} removed`,
      paths.map((path) => ({ path, records: 0 })),
    );
  onStep('shared views');
  if (first !== undefined && !(await shared.removeViewsBefore(first, onRemoval))) return false;
  if (!(await shared.carryOutHere())) return false;
  onStep('hosts');
  const waiting = await shared.hostsWithout(order.id);
  if (waiting.length > 0) onWaiting(waiting.join(', '));
  return waiting.length === 0;
}

/** A broker takes records from every host: the exclusions of what was asked for on one without a collector are recorded here. */
export async function recordRequested(config: Config, clock: Clock): Promise<void> {
  const { dataDir, kafkaBrokers } = config;
  if (kafkaBrokers.length === 0 || listErasures(dataDir).every(({ state }) => state !== 'requested')) return;
  const log = await openLogWriter(config, clock);
  try {
    await recordErasures(dataDir, log, { clock, urls: makeRules(config).url });
  } finally {
    await log.close();
  }
}

/** Rewrites the master dataset if no sink is running to do it. */
async function storeAndErase({ config, clock, signal }: ErasingContext, order: ErasureOrder): Promise<void> {
  const { dataDir } = config;
  if (readAnswer(dataDir, order, 'master')?.isDone === true || config.store !== '') return; // a shared dataset has a sink
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
  if (readAnswer(dataDir, order, 'log')?.isDone === true) return;
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
          `If ${store} keeps versions of objects, those that were replaced or deleted hold the ids until its lifecycle rule for noncurrent versions removes them; this system does not delete there.`,
          'Hosts that do not run remove their copies after they have started again.',
          'Hosts that run collectors alone follow no views: delete the rejected lines of imports there (rejected/ of the data directory).',
        ]),
    ...(existsSync(damaged)
      ? [`${damaged} holds files that \`swa recover\` has put aside; they may name these ids: delete it.`]
      : []),
    'Backups made before hold the ids: let them expire, and erase again after one was restored.',
  ];
}
