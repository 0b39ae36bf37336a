/** The answer of the log's writer to an order to erase: it overwrites the records that name the ids. */
import type { LogWriter } from '../log/log.js';
import {
  answer,
  answerTo,
  openOrder,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
} from './erasure-records.js';
import { namesErased } from './erased-record.js';
import { ErasedIds, erasureHashOf } from './erasures.js';

/** For who holds the log open for writing; does nothing where a broker keeps the records. */
export async function eraseInLog(
  dataDir: string,
  log: LogWriter,
  order: ErasureOrder,
  signal: AbortSignal,
): Promise<void> {
  const { id, values } = order;
  let files: readonly ErasedFile[] = answerTo(dataDir, order, 'log')?.files ?? [];
  await log.overwrite?.({
    isWanted: namesErased(new ErasedIds(values, erasureHashOf(dataDir))),
    signal,
    onFile(name, records) {
      files = withFiles(files, [{ path: `log/${name}`, records }]);
      answer(dataDir, 'log', { id, isDone: false, files: [...files] });
    },
  });
  answer(dataDir, 'log', { id, isDone: true, files: [...files] });
}

/** Carries out orders as they come, beside the appends. */
export class LogErasing {
  readonly #dataDir: string;
  readonly #log: LogWriter;
  readonly #stopping = new AbortController();
  #work: Promise<void> | undefined;

  constructor(dataDir: string, log: LogWriter) {
    this.#dataDir = dataDir;
    this.#log = log;
  }

  /** Call now and then; does nothing while the last call is at work. Rejects with why an order is not carried out: the next call tries again. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    if (this.#work !== undefined || signal.aborted || this.#log.overwrite === undefined) return;
    const order = openOrder(this.#dataDir, 'log');
    if (order === undefined) return;
    this.#work = eraseInLog(this.#dataDir, this.#log, order, signal);
    try {
      await this.#work;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#work = undefined;
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work?.catch(() => undefined);
  }
}
