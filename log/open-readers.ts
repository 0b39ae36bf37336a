/** Keeps track of a log's open readers, so that the log can close them when it is closed. */
import type { LogReader } from './log.js';

export class OpenReaders {
  readonly #readers = new Set<LogReader>();

  /** Registers a reader and returns the one to hand out, which unregisters itself when closed. */
  add(reader: LogReader): LogReader {
    this.#readers.add(reader);
    return {
      next: (options) => reader.next(options),
      close: () => {
        this.#readers.delete(reader);
        return reader.close();
      },
    };
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.close()));
  }
}
