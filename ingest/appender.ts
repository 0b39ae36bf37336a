/** Appends facts to a sink in batches, a bounded number of them at once, so that making facts overlaps with syncing them. */
/** Number of facts in a batch, and maximum number of batches in flight: together they bound the memory. */
const batchFacts = 2_000;
const maxInFlight = 4;

/** The target of batches: of facts, or of their records. */
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

  /** @param onDurable called with the number of facts that just became durable */
  constructor(sink: Appending<Item>, onDurable: (facts: number) => void) {
    this.#sink = sink;
    this.#onDurable = onDurable;
  }

  /** Adds a fact. Returns true if the batch is full and must be flushed. */
  add(fact: Item): boolean {
    this.#batch.push(fact);
    return this.#batch.length >= batchFacts;
  }

  /** Waits until fewer than `maxInFlight` appends are in flight, then starts appending the batch. Throws the first error of any append so far. */
  async flush(): Promise<void> {
    if (this.#inFlight.size >= maxInFlight) await Promise.race(this.#inFlight);
    this.#throwFailure();
    this.#start();
  }

  /** Appends the rest and waits for all appends. Throws like `flush`. */
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
   * Never rejects: `flush` and `drain` throw the error. Not an async function, because that would hold the facts until they are durable, and the
   * garbage collector would copy them although only their encoded bytes are needed.
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
