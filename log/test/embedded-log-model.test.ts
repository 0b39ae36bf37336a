/**
 * Any interleaving of appends, readers, trims, clean closes and crashes, compared with a model of four arrays. A crash
 * is a copy of the current files with part of a commit appended, opened as after a restart.
 */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { zeroOffsets } from '../cut.js';
import { openEmbeddedLog } from '../embedded/embedded-log.js';
import { openEmbeddedWriter } from '../embedded/writer.js';
import { offset, type LogReader, type LogWriter, type Offsets, type PartitionName } from '../log.js';
import { partitionOf } from '../partitioner.js';
import { record, rejectsWith, suitePartitions } from './log-conformance.js';
import { tempDir } from '../../test/temp-dir.js';

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), sizes: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 4 }) }) }, // prettier-ignore
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), who: fc.nat(2), maxRecords: fc.integer({ min: 1, max: 60 }) }) }, // prettier-ignore
  { weight: 3, arbitrary: fc.record({ do: fc.constant('trim' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), tornBytes: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart reader' as const), who: fc.nat(2) }) },
);

interface Consumer {
  next: Record<PartitionName, number>;
  reader: LogReader;
}

class World {
  readonly #root: string;
  #dir: string;
  #copies = 0;
  #written = 0;
  #writer!: LogWriter; // set by start, before anything else
  readonly #consumers: Consumer[] = [];
  readonly #model = new Map<PartitionName, string[]>();

  constructor(root: string) {
    this.#root = root;
    this.#dir = join(root, '0');
  }

  async start(): Promise<void> {
    this.#writer = await this.#open();
    for (let i = 0; i < 3; i++) {
      const next = { ...zeroOffsets(this.#writer.partitions) };
      this.#consumers.push({
        next,
        reader: await this.#writer.openReader({ from: cutOf(next), consumer: `${i}` }),
      });
    }
  }

  #open(): Promise<LogWriter> {
    return openEmbeddedWriter({ dir: this.#dir, partitions: suitePartitions, segmentBytes: 700 });
  }

  /** Several appends at once, which may share commits. */
  async append(sizes: readonly number[]): Promise<void> {
    const appends = sizes.map((size) =>
      Array.from({ length: size }, () => {
        const text = `record ${this.#written++}`;
        return record(`key ${this.#written % 11}`, text, this.#written % 5 === 0 ? 'equivs' : 'pageviews');
      }),
    );
    for (const { topic, key, value } of appends.flat()) {
      const name: PartitionName =
        topic === 'equivs' ? 'equivs/0' : `pageviews/${partitionOf(key, suitePartitions)}`;
      this.#model.set(name, [...(this.#model.get(name) ?? []), Buffer.from(value).toString()]);
    }
    await Promise.all(appends.map((records) => this.#writer.append(records)));
  }

  async read(who: number, maxRecords: number): Promise<void> {
    const consumer = this.#consumer(who);
    const batches = await consumer.reader.next({ maxRecords, timeoutMs: 0 });
    let count = 0;
    for (const { name, offsets, values, nextOffset } of batches) {
      const from = consumer.next[name] ?? 0;
      const expected = this.#model.get(name)?.slice(from, from + values.length);
      assert.deepEqual(values.map((value) => Buffer.from(value).toString()), expected); // prettier-ignore
      assert.deepEqual(offsets, values.map((_, i) => from + i)); // prettier-ignore
      assert.equal(nextOffset, from + values.length);
      consumer.next[name] = nextOffset;
      count += values.length;
    }
    const behind = [...this.#model].some(([name, list]) => (consumer.next[name] ?? 0) < list.length);
    if (count === 0) assert.ok(!behind, 'nothing is held back from a reader that is behind');
    assert.ok(count <= maxRecords);
  }

  async trim(): Promise<void> {
    const least = zeroOffsets(this.#writer.partitions);
    const names = this.#writer.partitions;
    const below = Object.fromEntries(names.map((name) => [name, offset(Math.min(...this.#consumers.map(({ next }) => next[name] ?? 0)))])); // prettier-ignore
    await this.#writer.trim({ ...least, ...below });
    const earliest = await this.#writer.earliest();
    for (const name of names) {
      assert.ok((earliest[name] ?? 0) <= (below[name] ?? 0), 'nothing a consumer still needs is dropped');
    }
    const trimmed = names.find((name) => (earliest[name] ?? 0) > 0);
    if (trimmed === undefined) return;
    const from = { [trimmed]: offset((earliest[trimmed] ?? 0) - 1) };
    await rejectsWith('log.out-of-range', this.#writer.openReader({ from, consumer: 'late' }));
  }

  async reopen(): Promise<void> {
    await this.#writer.close();
    await this.#restart();
  }

  /** The process dies with part of a commit written; the files are what the next one finds. */
  async crash(tornBytes: number): Promise<void> {
    const old = this.#writer;
    const dir = join(this.#root, String(++this.#copies));
    cpSync(this.#dir, dir, { recursive: true });
    rmSync(join(dir, 'writer.lock'));
    const last = readdirSync(dir).filter((name) => name.startsWith('segment-')).toSorted().at(-1) ?? ''; // prettier-ignore
    appendFileSync(join(dir, last), Buffer.alloc(tornBytes, 'RFWS torn')); // begins like a frame
    await old.close();
    rmSync(this.#dir, { recursive: true });
    this.#dir = dir;
    await this.#restart();
  }

  async restartReader(who: number): Promise<void> {
    const consumer = this.#consumer(who);
    await consumer.reader.close();
    consumer.reader = await this.#writer.openReader({ from: cutOf(consumer.next), consumer: `${who}` });
  }

  async end(): Promise<void> {
    for (const [who] of this.#consumers.entries()) {
      for (let i = 0; i < 100; i++) await this.read(who, 50);
    }
    const log = await openEmbeddedLog({ dir: this.#dir, partitions: suitePartitions });
    const latest = await log.latest();
    for (const name of log.partitions) assert.equal(latest[name], this.#model.get(name)?.length ?? 0);
    await Promise.all([log.close(), this.#writer.close()]);
  }

  async #restart(): Promise<void> {
    this.#writer = await this.#open();
    for (const who of this.#consumers.keys()) await this.restartReader(who);
  }

  #consumer(who: number): Consumer {
    const consumer = this.#consumers[who];
    assert.ok(consumer !== undefined);
    return consumer;
  }
}

function cutOf(next: Readonly<Record<PartitionName, number>>): Offsets {
  return Object.fromEntries(Object.entries(next).map(([name, at]) => [name, offset(at)]));
}

test('every reader sees exactly what was appended, whatever happens in between', () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const root = tempDir('model');
      try {
        const world = new World(root);
        await world.start();
        for (const each of steps) {
          if (each.do === 'append') await world.append(each.sizes);
          else if (each.do === 'read') await world.read(each.who, each.maxRecords);
          else if (each.do === 'trim') await world.trim();
          else if (each.do === 'reopen') await world.reopen();
          else if (each.do === 'crash') await world.crash(each.tornBytes);
          else await world.restartReader(each.who);
        }
        await world.end();
      } finally {
        rmSync(root, { recursive: true });
      }
    }),
    { numRuns: Number(process.env['RUNS'] ?? 60) },
  ));
