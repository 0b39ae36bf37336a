/**
 * The multi-consumer queue: one log, written once; each application keeps its own position. `count` saves its position
 * every ten items, separately from its effects, so after a death it repeats the items since the last save. `archive`
 * saves effects and position in one step, so each item takes effect once. `late` starts after all items have been
 * written and reads from the beginning.
 */
import { openEmbeddedWriter } from '../../log/embedded/writer.js';
import { offset, type LogReader, type LogWriter, type Offset } from '../../log/log.js';
import { Application, arrivals, perTick, restartTicks, tallyOf, type Tally } from './scenario.js';

const name = 'equivs/0';
const saveEvery = 10;

/** `dir` is the folder for the log. */
export async function multiConsumer(dir: string): Promise<Tally[]> {
  const log = await openEmbeddedWriter({ dir, partitions: 1, segmentBytes: 2 ** 20 });
  const consumers = [
    await Consumer.open(log, new Application('count', 1), 'apart'),
    await Consumer.open(log, new Application('archive', 2), 'together'),
  ];
  for (const items of arrivals()) {
    await log.append(items.map((item) => ({ topic: 'equivs', key: 'k', value: Buffer.from(String(item)) })));
    for (const consumer of consumers) await consumer.tick();
  }
  consumers.push(await Consumer.open(log, new Application('late', 3), 'together'));
  for (const consumer of consumers) while (!(await consumer.isAtEnd())) await consumer.tick();
  await log.close();
  return consumers.map((consumer) => tallyOf(consumer.application));
}

class Consumer {
  readonly application: Application;
  readonly #log: LogWriter;
  readonly #saving: 'apart' | 'together';
  #reader: LogReader;
  #position: Offset = offset(0);
  /** The state a restart finds: the position, and with 'together' the effects at that position. */
  #saved: { readonly position: Offset; readonly effects: ReadonlyMap<number, number> };
  #awayTicks = 0;

  private constructor(
    log: LogWriter,
    application: Application,
    saving: 'apart' | 'together',
    reader: LogReader,
  ) {
    this.#log = log;
    this.application = application;
    this.#saving = saving;
    this.#reader = reader;
    this.#saved = { position: this.#position, effects: new Map() };
  }

  static async open(
    log: LogWriter,
    application: Application,
    saving: 'apart' | 'together',
  ): Promise<Consumer> {
    const reader = await log.openReader({ from: { [name]: offset(0) }, consumer: application.name });
    return new Consumer(log, application, saving, reader);
  }

  async tick(): Promise<void> {
    if (this.#awayTicks > 0) this.#awayTicks--;
    for (let n = 0; n < perTick && this.#awayTicks === 0; n++) {
      const [batch] = await this.#reader.next({ maxRecords: 1, timeoutMs: 0 });
      if (batch === undefined) return;
      const item = Number(Buffer.from(batch.values[0] ?? []).toString());
      let fate = this.application.work(item);
      while (fate === 'fails') fate = this.application.work(item); // no other consumer is affected, so retry
      if (fate !== 'done') return this.#die();
      this.#position = batch.nextOffset;
      if (this.#position % saveEvery === 0) this.#save();
    }
  }

  async isAtEnd(): Promise<boolean> {
    return this.#position === (await this.#log.latest())[name];
  }

  #save(): void {
    this.#saved = { position: this.#position, effects: new Map(this.application.effects) };
  }

  async #die(): Promise<void> {
    await this.#reader.close();
    this.#position = this.#saved.position;
    if (this.#saving === 'together') {
      this.application.effects.clear();
      for (const [item, count] of this.#saved.effects) this.application.effects.set(item, count);
    }
    this.#reader = await this.#log.openReader({
      from: { [name]: this.#position },
      consumer: this.application.name,
    });
    this.#awayTicks = restartTicks;
  }
}
