/**
 * Erasures in the log, for who holds it open for writing: it appends the exclusions of those that were asked for, and overwrites the
 * records that name their ids when it is ordered to.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/time/clock.js';
import type { LogWriter } from '../log/log.js';
import {
  answer,
  answerTo,
  listErasures,
  openOrder,
  saveErasure,
  toErase,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
} from './erasure-records.js';
import { isToErase } from './erased-record.js';
import type { Exclusion } from './fact.js';
import { encodeRecord } from './record.js';
import type { UrlRules } from './url/normalize.js';

/**
 * Puts the exclusions of an erasure that was asked for into the log. One that is there twice says nothing more, so what a crash has
 * interrupted is done again.
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

/** Carries out an order; overwrites nothing where a broker keeps the records. */
export async function eraseInLog(
  dataDir: string,
  log: LogWriter,
  order: ErasureOrder,
  signal: AbortSignal,
): Promise<void> {
  const { id } = order;
  let files: readonly ErasedFile[] = answerTo(dataDir, order, 'log')?.files ?? [];
  await log.overwrite?.({
    isWanted: isToErase(toErase(dataDir, order)),
    signal,
    onFile(name, records) {
      files = withFiles(files, [{ path: `log/${name}`, records }]);
      answer(dataDir, 'log', { id, isDone: false, files: [...files] });
    },
  });
  answer(dataDir, 'log', { id, isDone: true, files: [...files] });
}

/** Does both as they come, beside other appends. */
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

  /** Call now and then; does nothing while the last call is at work. Rejects with why it cannot go on: the next call tries again. */
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
    const order = this.#log.overwrite === undefined ? undefined : openOrder(this.#dataDir, 'log');
    if (order !== undefined) await eraseInLog(this.#dataDir, this.#log, order, signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work?.catch(() => undefined);
  }
}
