/**
 * The fenced reader against a client that misbehaves in every way kafkajs is known to: it starts over, jumps to the
 * end, delivers twice, skips, or stalls. A simulated client does so at random; the reader must deliver exactly the log.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KafkaBatch, OffsetRange, Subscriber, Subscription } from '../kafka/client.js';
import { SwaError } from '../../lib/errors/errors.js';
import { FencedReader, type Source } from '../kafka/fenced-reader.js';
import { offset, partitionName, type PartitionName } from '../log.js';
import { readUntil, rejectsWith } from './log-conformance.js';

const name: PartitionName = 'equivs/0';
const behaviours = [
  'deliver',
  'deliver',
  'deliver',
  'restart',
  'to-end',
  'step-back',
  'skip',
  'rejoin',
  'late',
] as const;
type Behaviour = (typeof behaviours)[number] | 'silence' | 'end' | 'topicRecreated' | 'swapped' | 'trim';

/**
 * One growing partition with control records at some offsets; the client follows a script, then behaves normally. A
 * fetch of only control records is an empty batch.
 */
class SimulatedSource implements Source {
  low = 0;
  subscriptions = 0;
  /** How long a request was under way. */
  requestAgeMs = 0;
  /** What a record says before its offset: another word for a topic that was made again. */
  word = '';
  readonly #offsets: number[];
  #high: number;
  readonly #end: number;
  readonly #script: Behaviour[];

  constructor(offsets: readonly number[], end: number, script: readonly Behaviour[], high = end) {
    this.#offsets = [...offsets];
    this.#end = end;
    this.#high = high;
    this.#script = [...script];
  }

  /** The record there becomes a hole. */
  drop(at: number): void {
    this.#offsets.splice(this.#offsets.indexOf(at), 1);
  }

  async subscribe(subscriber: Subscriber): Promise<Subscription> {
    this.subscriptions++;
    const stopped = new AbortController();
    const wanted = (): number => subscriber.positions()[0]?.offset ?? 0;
    const join = (): number => {
      subscriber.joined();
      return wanted();
    };
    const run = async (): Promise<void> => {
      let at = join();
      while (!stopped.signal.aborted) {
        at = subscriber.fetching()[0]?.offset ?? at;
        const behaviour = this.#script.shift() ?? 'deliver';
        if (behaviour === 'silence') return;
        if (behaviour === 'end') {
          subscriber.failed(new SwaError('log.unavailable', 'the client ended', { retryable: true }));
          return;
        }
        if (behaviour === 'restart') at = this.low;
        if (behaviour === 'to-end') at = Math.max(this.low, this.#high - 2);
        if (behaviour === 'step-back') at = Math.max(this.low, at - 3);
        if (behaviour === 'skip') at = Math.min(this.#high - 1, at + 2);
        if (behaviour === 'rejoin') at = join();
        if (behaviour === 'trim') this.low = at;
        if (behaviour === 'late') this.requestAgeMs = 1000 - this.requestAgeMs; // from now on, or no longer
        if (behaviour === 'swapped') this.word = 'other '; // and the client does not notice
        if (behaviour === 'topicRecreated') [this.word, at] = ['other ', join()];
        const batch = this.#batch(at);
        if (batch === undefined) {
          at = Math.max(at, this.#high);
          this.#high = Math.min(this.#end, this.#high + 3);
        } else if ((await subscriber.take(batch, async () => undefined)) === 'taken') at = batch.nextOffset;
        else at = wanted();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    void run();
    return { stop: async () => stopped.abort() };
  }

  async offsets(): Promise<readonly OffsetRange[]> {
    return [{ low: this.low, high: this.#high, stable: this.#high }];
  }

  topicOf(): string {
    return 't';
  }

  nameOf(): PartitionName {
    return partitionName('equivs', 0);
  }

  #batch(at: number): KafkaBatch | undefined {
    const from = Math.max(at, this.low);
    const offsets = this.#offsets.filter((own) => own >= from && own < this.#high).slice(0, 4);
    if (from >= this.#high) return undefined;
    const last = offsets.at(-1) ?? this.#high - 1;
    const values = offsets.map((own) => Buffer.from(`${this.word}${own}`));
    const batch = { topic: 't', partition: 0, firstOffset: from, nextOffset: last + 1, offsets, values };
    return { ...batch, requestedAt: performance.now() - this.requestAgeMs };
  }
}

const options = { silentMs: 60_000, bufferedRecords: 10, bufferedBytes: 1_000_000 };

test('whatever the client does, every record is delivered once and in order', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
      fc.array(fc.constantFrom(...behaviours), { maxLength: 30 }),
      fc.nat(1000),
      fc.integer({ min: 1, max: 7 }),
      async (isRecord, script, start, maxRecords) => {
        const offsets = isRecord.flatMap((is, i) => (is ? i : []));
        const end = isRecord.length;
        const high = 1 + (start % end);
        const from = start % high;
        const source = new SimulatedSource(offsets, end, script, high);
        const reader = new FencedReader(source, { [name]: offset(from) }, options);
        await reader.start();
        const seen = await readUntil(reader, { [name]: offset(end) }, maxRecords);
        await reader.close();
        assert.deepEqual(
          seen.get(name)?.map((item) => item.offset),
          offsets.filter((own) => own >= from),
        );
      },
    ),
  ));

test('a start below the retained range or beyond the end is an error that names the position', async () => {
  const source = new SimulatedSource([5, 6, 7], 8, []);
  source.low = 5;
  const start = (from: number) => new FencedReader(source, { [name]: offset(from) }, options).start();
  await rejectsWith('log.out-of-range', start(4));
  await rejectsWith('log.mismatch', start(9));
});

test('retention that overtakes a running reader stops it, and nothing is skipped silently', async () => {
  const source = new SimulatedSource([...Array(200).keys()], 200, []);
  const reader = new FencedReader(source, { [name]: offset(0) }, options);
  await reader.start();
  await reader.next({ maxRecords: 1, timeoutMs: 5000 });
  source.low = 150;
  const seen: number[] = [];
  await rejectsWith('log.out-of-range', (async () => {
    for (;;) for (const batch of await reader.next({ maxRecords: 5, timeoutMs: 5000 })) seen.push(...batch.offsets);
  })()); // prettier-ignore
  assert.deepEqual(
    seen,
    seen.map((_, i) => i + 1),
  );
  await reader.close();
});

test('records that the broker withholds inside its range are an error, not a gap', async () => {
  const skips = Array<Behaviour>(40).fill('skip');
  const reader = new FencedReader(
    new SimulatedSource([0, 1, 2, 3], 4, skips),
    { [name]: offset(0) },
    options,
  );
  await reader.start();
  await rejectsWith('log.corrupt', reader.next({ maxRecords: 1, timeoutMs: 5000 }));
  await reader.close();
});

for (const [how, high, script] of [
  ['and the client joins anew', 40, ['deliver', 'deliver', 'topicRecreated']],
  [
    'and the client does not notice, in a quiet while',
    8,
    ['late', 'deliver', 'deliver', 'deliver', 'swapped'],
  ],
  ['and the client does not notice, while a batch is taken', 40, ['deliver', 'late', 'swapped']],
] as const) {
  test(`a topic is recreated under a reader, ${how}: no record of the new one is delivered`, async () => {
    const source = new SimulatedSource([...Array(40).keys()], 40, script, high);
    const reader = new FencedReader(source, { [name]: offset(0) }, options);
    await reader.start();
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for (let i = 0; i < 40; i++)
        for (const { values } of await reader.next({ maxRecords: 5, timeoutMs: 5000 }))
          seen.push(...values.map(String));
    };
    const error = await rejectsWith('log.mismatch', read());
    assert.match(error.message, /offset 7 of equivs\/0 is not the one that was read/);
    assert.deepEqual(seen, [...Array(8).keys()].map(String));
    await reader.close();
  });
}

test('a record that is a hole after a rejoin reveals a recreated topic; one deleted by retention does not', async () => {
  const holed = new SimulatedSource([0, 1, 2, 3], 9, ['deliver', 'rejoin']);
  const reader = new FencedReader(holed, { [name]: offset(0) }, options);
  await reader.start();
  await reader.next({ maxRecords: 4, timeoutMs: 5000 });
  holed.drop(3);
  await rejectsWith('log.mismatch', reader.next({ maxRecords: 1, timeoutMs: 5000 }));
  await reader.close();

  const trimmed = new SimulatedSource([...Array(9).keys()], 9, ['deliver', 'trim', 'rejoin']);
  const other = new FencedReader(trimmed, { [name]: offset(0) }, options);
  await other.start();
  const seen = await readUntil(other, { [name]: offset(9) });
  assert.equal(seen.get(name)?.length, 9);
  await other.close();
});

test('a silent client is restarted and reading continues', async () => {
  const source = new SimulatedSource([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10, ['deliver', 'silence']);
  const reader = new FencedReader(source, { [name]: offset(0) }, { ...options, silentMs: 40 });
  await reader.start();
  const seen = await readUntil(reader, { [name]: offset(10) });
  assert.equal(seen.get(name)?.length, 10);
  assert.equal(source.subscriptions, 2);
  await reader.close();
});

test('a client that stays silent fails the reader instead of blocking it', async () => {
  const source = new SimulatedSource([0], 1, ['silence', 'silence', 'silence', 'silence', 'silence']);
  const reader = new FencedReader(source, { [name]: offset(0) }, { ...options, silentMs: 20 });
  await reader.start();
  const error = await rejectsWith('log.unavailable', reader.next({ maxRecords: 1, timeoutMs: 60_000 }));
  assert.match(error.message, /delivers nothing/);
  assert.equal(source.subscriptions, 4);
  await reader.close();
});

test('a client that ends is restarted and reading continues', async () => {
  const source = new SimulatedSource([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10, [
    'deliver',
    'end',
    'deliver',
    'end',
  ]);
  const reader = new FencedReader(source, { [name]: offset(0) }, options);
  await reader.start();
  const seen = await readUntil(reader, { [name]: offset(10) });
  assert.equal(seen.get(name)?.length, 10);
  assert.equal(source.subscriptions, 3);
  await reader.close();
});

test('a client that ends after every start fails the reader with a permanent error', async () => {
  const source = new SimulatedSource([0], 1, ['end', 'end', 'end', 'end', 'end']);
  const reader = new FencedReader(source, { [name]: offset(0) }, options);
  await reader.start();
  const error = await rejectsWith('log.unavailable', reader.next({ maxRecords: 1, timeoutMs: 60_000 }));
  assert.match(error.message, /the client ended/);
  assert.equal(error.retryable, false);
  assert.equal(source.subscriptions, 4);
  await reader.close();
});

test('a client is paused when a few large records are waiting', async () => {
  const source = new SimulatedSource([...Array(40).keys()], 40, []);
  const reader = new FencedReader(source, { [name]: offset(0) }, { ...options, bufferedRecords: 1000, bufferedBytes: 5 }); // prettier-ignore
  await reader.start();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  const waiting = await reader.next({ maxRecords: 1000, timeoutMs: 0 });
  assert.ok(waiting.length > 0 && waiting.length <= 2, `${waiting.length} batches of four`);
  const rest = await readUntil(reader, { [name]: offset(40) }, 1000);
  const seen = [
    ...waiting.flatMap(({ offsets }) => offsets),
    ...(rest.get(name) ?? []).map((item) => item.offset),
  ];
  assert.deepEqual(seen, [...Array(40).keys()]);
  await reader.close();
});

test('a quiet partition is not mistaken for a silent client', async () => {
  const source = new SimulatedSource([0], 1, []);
  const reader = new FencedReader(source, { [name]: offset(1) }, { ...options, silentMs: 20 });
  await reader.start();
  assert.deepEqual(await reader.next({ maxRecords: 1, timeoutMs: 200 }), []);
  assert.equal(source.subscriptions, 1);
  await reader.close();
});
