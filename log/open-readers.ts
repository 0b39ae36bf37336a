/** The readers of a log that are still open: the log closes them with itself, and keeps nothing of those closed before. */
import type { LogReader } from './log.js';

export class OpenReaders {
  readonly #readers = new Set<LogReader>();

  /** The reader to hand out in the place of `reader`. */
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
