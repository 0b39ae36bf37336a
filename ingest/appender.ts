/** Facts on their way into a sink: in batches, a bounded number of them under way, so that making facts and syncing overlap. */
/** Facts in one append, and appends under way at once: together the bound on memory. */
const batchFacts = 2_000;
const maxInFlight = 4;

/** What batches go into: facts, or the records of facts. */
export interface Appending<Item> {
  append(items: readonly Item[]): Promise<void>;
}

/** Collects facts into batches and keeps a bounded number of appends under way. */
export class Appender<Item> {
  readonly #sink: Appending<Item>;
  readonly #onDurable: (facts: number) => void;
  #batch: Item[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** @param onDurable told how many facts have just become durable */
  constructor(sink: Appending<Item>, onDurable: (facts: number) => void) {
    this.#sink = sink;
    this.#onDurable = onDurable;
  }

  /** True when the batch is full and wants a flush. */
  add(fact: Item): boolean {
    this.#batch.push(fact);
    return this.#batch.length >= batchFacts;
  }

  /** Starts the batch on its way, waiting for room first. Throws the first failure of any append so far. */
  async flush(): Promise<void> {
    if (this.#inFlight.size >= maxInFlight) await Promise.race(this.#inFlight);
    this.#throwFailure();
    this.#start();
  }

  /** Sends the rest and waits for all. Throws like `flush`. */
  async drain(): Promise<void> {
    if (this.#failure === undefined) this.#start();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  #start(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    const append: Promise<void> = this.#append(batch).finally(() => this.#inFlight.delete(append));
    this.#inFlight.add(append);
  }

  /**
   * Never rejects: the failure waits for the next flush or drain. No async function: it would hold the facts until they are durable, and the
   * garbage collector would copy them while only their encoded bytes are needed.
   */
  #append(batch: readonly Item[]): Promise<void> {
    const facts = batch.length;
    return this.#sink.append(batch).then(
      () => this.#onDurable(facts),
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
