/**
 * The conformance suite of all logs, embedded and Kafka. A harness creates a fresh log for each test. Values are
 * numbered texts, so that a record can be traced to its append.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { SwaError, type ErrorCode } from '../../lib/errors/errors.js';
import { namesOf, zeroOffsets } from '../cut.js';
import {
  offset,
  type Log,
  type LogReader,
  type LogWriter,
  type NewRecord,
  type Offsets,
  type PartitionName,
  type Topic,
} from '../log.js';
import { partitionOf } from '../partitioner.js';

/** One log, which a test may open several times. */
export interface LogHarness {
  openWriter(): Promise<LogWriter>;
  openLog(): Promise<Log>;
  dispose(): Promise<void>;
}

export const suitePartitions = 3;

export interface Seen {
  readonly offset: number;
  readonly text: string;
}

export function record(key: string, text: string, topic: Topic = 'pageviews'): NewRecord {
  return { topic, key, value: Buffer.from(text) };
}

/** Reads until every partition read has reached `until`; checks order and `nextOffset` on the way. */
export async function readUntil(
  reader: LogReader,
  until: Partial<Offsets>,
  maxRecords = 1000,
): Promise<Map<PartitionName, Seen[]>> {
  const seen = new Map<PartitionName, Seen[]>();
  const missing = new Set(namesOf(until).filter((name) => (until[name] ?? 0) > 0));
  const deadline = performance.now() + 60_000;
  while (missing.size > 0) {
    assert.ok(performance.now() < deadline, `partitions ${[...missing].join(', ')} do not come`);
    for (const batch of await reader.next({ maxRecords, timeoutMs: 5000 })) {
      const list = seen.get(batch.name) ?? [];
      seen.set(batch.name, list);
      assert.equal(batch.offsets.length, batch.values.length);
      batch.offsets.forEach((at, i) => {
        assert.ok(at > (list.at(-1)?.offset ?? -1), `offset ${at} of ${batch.name} comes out of order`);
        list.push({ offset: at, text: textOf(batch.values[i]) });
      });
      assert.ok(batch.nextOffset > (list.at(-1)?.offset ?? -1));
      if (batch.nextOffset >= (until[batch.name] ?? Infinity)) missing.delete(batch.name);
    }
  }
  return seen;
}

function textOf(value: Uint8Array | undefined): string {
  return Buffer.from(value ?? []).toString();
}

export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<SwaError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SwaError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}

export function logConformance(name: string, make: () => Promise<LogHarness>, skip: string | false): void {
  const claim = (text: string, body: (harness: LogHarness) => Promise<void>): void => {
    test(`${name}: ${text}`, { skip }, async () => {
      const harness = await make();
      try {
        await body(harness);
      } finally {
        await harness.dispose();
      }
    });
  };

  claim('every partition of a new log is there, empty, and names itself alike to all', async (harness) => {
    const log = await harness.openLog();
    const writer = await harness.openWriter();
    const names = ['pageviews/0', 'pageviews/1', 'pageviews/2', 'equivs/0'];
    assert.deepEqual(log.partitions, names);
    assert.deepEqual(writer.partitions, names);
    assert.equal(writer.id, log.id);
    assert.deepEqual(await log.earliest(), zeroOffsets(log.partitions));
    assert.deepEqual(await log.latest(), zeroOffsets(log.partitions));
    await Promise.all([log.close(), writer.close()]);
  });

  claim(
    'what is appended is read back in order, equal keys in the partition Kafka chooses',
    async (harness) => {
      const writer = await harness.openWriter();
      const keys = Array.from({ length: 40 }, (_, i) => `https://exämple.com/${i}`);
      for (let round = 0; round < 5; round++) {
        await writer.append(keys.map((key, i) => record(key, `${i}:${round}`)));
        await writer.append([record('a', `edge ${round}`, 'equivs')]);
      }
      const log = await harness.openLog();
      const latest = await log.latest();
      assert.equal(
        namesOf(latest).reduce((sum, at) => sum + (latest[at] ?? 0), 0),
        205,
      );
      const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
      const seen = await readUntil(reader, latest);
      for (const [i, key] of keys.entries()) {
        const own = seen.get(`pageviews/${partitionOf(key, suitePartitions)}`) ?? [];
        const texts = own.map((item) => item.text).filter((text) => text.startsWith(`${i}:`));
        assert.deepEqual(texts, [0, 1, 2, 3, 4].map((round) => `${i}:${round}`)); // prettier-ignore
      }
      assert.deepEqual(
        seen.get('equivs/0')?.map((item) => item.text),
        [0, 1, 2, 3, 4].map((round) => `edge ${round}`),
      );
      await Promise.all([writer.close(), log.close()]);
    },
  );

  claim(
    'a reader starts at any offset, reads only the partitions it names, in pieces of any size',
    async (harness) => {
      const writer = await harness.openWriter();
      await writer.append(Array.from({ length: 100 }, (_, i) => record(`key ${i % 7}`, `r${i}`)));
      const log = await harness.openLog();
      const latest = await log.latest();
      const all = await readUntil(
        await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'all' }),
        latest,
      );
      const [wanted] = [...all.keys()].filter((at) => (all.get(at)?.length ?? 0) > 10);
      assert.ok(wanted !== undefined);
      for (const maxRecords of [1, 3, 1000]) {
        const from = { [wanted]: offset(all.get(wanted)?.[5]?.offset ?? 0) };
        const reader = await log.openReader({ from, consumer: `part-${maxRecords}` });
        const part = await readUntil(reader, { [wanted]: latest[wanted] }, maxRecords);
        assert.deepEqual([...part.keys()], [wanted]);
        assert.deepEqual(part.get(wanted), all.get(wanted)?.slice(5));
        await reader.close();
      }
      await Promise.all([writer.close(), log.close()]);
    },
  );

  claim('a reader at the end waits for more, and no longer than it was told', async (harness) => {
    const writer = await harness.openWriter();
    await writer.append([record('k', 'old')]);
    const log = await harness.openLog();
    const reader = await log.openReader({ from: await log.latest(), consumer: 'c' });
    assert.deepEqual(await reader.next({ maxRecords: 10, timeoutMs: 50 }), []);
    const waiting = reader.next({ maxRecords: 10, timeoutMs: 60_000 });
    await writer.append([record('k', 'new')]);
    const batches = await waiting;
    assert.deepEqual(
      batches.flatMap((batch) => batch.values.map(textOf)),
      ['new'],
    );
    const abort = new AbortController();
    const aborted = reader.next({ maxRecords: 10, timeoutMs: 60_000, signal: abort.signal });
    abort.abort();
    assert.deepEqual(await aborted, []);
    await Promise.all([writer.close(), log.close()]);
  });

  claim('many appends at once all arrive, each once', async (harness) => {
    const writer = await harness.openWriter();
    const texts = Array.from({ length: 300 }, (_, i) => `${i}-${randomUUID()}`);
    await Promise.all(texts.map((text) => writer.append([record(text, text)])));
    const log = await harness.openLog();
    const latest = await log.latest();
    const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
    const seen = [...(await readUntil(reader, latest)).values()].flat().map((item) => item.text);
    assert.deepEqual(seen.toSorted(), texts.toSorted());
    await Promise.all([writer.close(), log.close()]);
  });

  claim('reading removes nothing: two readers see the same', async (harness) => {
    const writer = await harness.openWriter();
    await writer.append(Array.from({ length: 50 }, (_, i) => record(`${i}`, `${i}`)));
    const [one, two] = await Promise.all([harness.openLog(), harness.openLog()]);
    const latest = await one.latest();
    const read = async (log: Log, consumer: string) =>
      readUntil(await log.openReader({ from: zeroOffsets(log.partitions), consumer }), latest);
    const [a, b] = await Promise.all([read(one, 'a'), read(two, 'b')]);
    assert.deepEqual(a, b);
    await Promise.all([writer.close(), one.close(), two.close()]);
  });

  claim('closed and opened again it is the same log, and goes on where it was', async (harness) => {
    const first = await harness.openWriter();
    await first.append([record('k', 'one')]);
    const before = await first.latest();
    await first.close();
    const second = await harness.openWriter();
    assert.equal(second.id, first.id);
    assert.deepEqual(await second.latest(), before);
    await second.append([record('k', 'two')]);
    const reader = await second.openReader({ from: zeroOffsets(second.partitions), consumer: 'c' });
    const seen = await readUntil(reader, await second.latest());
    assert.deepEqual(
      [...seen.values()].flat().map((item) => item.text),
      ['one', 'two'],
    );
    await second.close();
  });

  claim('a position beyond the end is refused: the log lost what that consumer had read', async (harness) => {
    const writer = await harness.openWriter();
    await writer.append([record('k', 'one', 'equivs')]);
    const from = { 'equivs/0': offset(7) } as const;
    await rejectsWith('log.mismatch', writer.openReader({ from, consumer: 'c' }));
    await writer.close();
  });

  claim('a closed log says so', async (harness) => {
    const writer = await harness.openWriter();
    const reader = await writer.openReader({ from: zeroOffsets(writer.partitions), consumer: 'c' });
    await writer.close();
    await rejectsWith('log.closed', writer.append([record('k', 'v')]));
    await rejectsWith('log.closed', reader.next({ maxRecords: 1, timeoutMs: 0 }));
    await rejectsWith('log.closed', writer.latest());
    await writer.close();
  });
}
