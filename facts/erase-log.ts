/**
 * Erasures in the log, run by the process that has the log open for writing: appends the exclusions of requested erasures, and overwrites
 * records that contain erased ids when ordered to.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/time/clock.js';
import type { LogWriter } from '../log/log.js';
import {
  saveAnswer,
  readAnswer,
  listErasures,
  pendingOrder,
  saveErasure,
  erasureFilterOf,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
} from './erasure-records.js';
import { matchesErasure } from './erased-record.js';
import type { Exclusion } from './fact.js';
import { encodeRecord } from './record.js';
import type { UrlRules } from './url/normalize.js';

/**
 * Appends the exclusions of requested erasures to the log. Duplicates of an exclusion have no effect, so an erasure that a crash interrupted is
 * simply recorded again.
 */
export async function recordErasures(
  dataDir: string,
  log: Pick<LogWriter, 'append'>,
  { clock, urls }: { readonly clock: Clock; readonly urls: UrlRules },
): Promise<void> {
  for (const record of listErasures(dataDir).filter(({ state }) => state === 'requested')) {
    const receivedAt = clock();
    const facts = record.values.map((value): Exclusion => ({
      type: 'exclude',
      by: 'erased',
      value,
      timestamp: receivedAt,
      eventId: randomUUID(),
      receivedAt,
    }));
    await log.append(facts.map((fact) => encodeRecord(fact, urls)));
    saveErasure(dataDir, { ...record, state: 'recorded' });
  }
}

/** Carries out an order. Overwrites nothing if a broker keeps the records. */
export async function eraseInLog(
  dataDir: string,
  log: LogWriter,
  order: ErasureOrder,
  signal: AbortSignal,
): Promise<void> {
  const { id } = order;
  let files: readonly ErasedFile[] = readAnswer(dataDir, order, 'log')?.files ?? [];
  await log.overwrite?.({
    isWanted: matchesErasure(erasureFilterOf(dataDir, order)),
    signal,
    onFile(name, records) {
      files = withFiles(files, [{ path: `log/${name}`, records }]);
      saveAnswer(dataDir, 'log', { id, isDone: false, files: [...files] });
    },
  });
  saveAnswer(dataDir, 'log', { id, isDone: true, files: [...files] });
}

/** Records erasures and carries out orders in the background, concurrently with other appends. */
export class LogErasing {
  readonly #dataDir: string;
  readonly #log: LogWriter;
  readonly #context: { readonly clock: Clock; readonly urls: UrlRules };
  readonly #stopping = new AbortController();
  #work: Promise<void> | undefined;

  constructor(dataDir: string, log: LogWriter, context: { readonly clock: Clock; readonly urls: UrlRules }) {
    this.#dataDir = dataDir;
    this.#log = log;
    this.#context = context;
  }

  /** Call periodically; does nothing while an earlier call is still running. Rejects if it fails; the next call tries again. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    if (this.#work !== undefined || signal.aborted) return;
    this.#work = this.#carryOut(signal);
    try {
      await this.#work;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#work = undefined;
    }
  }

  async #carryOut(signal: AbortSignal): Promise<void> {
    await recordErasures(this.#dataDir, this.#log, this.#context);
    const order = this.#log.overwrite === undefined ? undefined : pendingOrder(this.#dataDir, 'log');
    if (order !== undefined) await eraseInLog(this.#dataDir, this.#log, order, signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work?.catch(() => undefined);
  }
}
