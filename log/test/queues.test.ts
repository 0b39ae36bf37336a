/** The chapter's queues. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { SwaError, type ErrorCode } from '../../lib/errors/errors.js';
import { FifoQueue } from '../queue/fifo-queue.js';
import { openJobQueue } from '../queue/job-queue.js';
import { isEmptyQueue } from '../queue/queue-look.js';
import { SingleConsumerQueue, type QueueOptions } from '../queue/single-consumer-queue.js';
import { tempDir } from '../../test/temp-dir.js';

async function withDir(body: (dir: string) => Promise<void> | void): Promise<void> {
  const dir = tempDir('queue');
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function throwsCode(code: ErrorCode, body: () => unknown): void {
  assert.throws(body, (error) => error instanceof SwaError && error.code === code);
}

const bytes = (text: string) => Buffer.from(text);
const text = (item: { item: Uint8Array } | undefined) =>
  item === undefined ? undefined : Buffer.from(item.item).toString();

test('add, poll and peek behave as an array does, up to the limit', () => {
  const operation = fc.record({ do: fc.constantFrom('add', 'add', 'poll', 'peek'), item: fc.integer() });
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 300 }),
      fc.integer({ min: 1, max: 60 }),
      (operations, limit) => {
        const queue = new FifoQueue<number>(limit);
        const model: number[] = [];
        for (const step of operations) {
          if (step.do === 'poll') assert.equal(queue.poll(), model.shift());
          else if (step.do === 'peek') assert.equal(queue.peek(), model[0]);
          else if (model.length === limit) throwsCode('queue.full', () => queue.add(step.item));
          else {
            queue.add(step.item);
            model.push(step.item);
          }
          assert.equal(queue.size, model.length);
        }
      },
    ),
  );
});

test('get leases in order, ack removes, fail gives back', () =>
  withDir(async (dir) => {
    const queue = SingleConsumerQueue.open(dir, () => 0);
    assert.deepEqual(queue.add(bytes('a'), bytes('b')), [1, 2]);
    const a = queue.get();
    const b = queue.get();
    assert.deepEqual([text(a), text(b), queue.get()], ['a', 'b', undefined]);
    queue.ack(1);
    queue.fail(2);
    const again = queue.get();
    assert.deepEqual([again?.id, text(again), again?.attempt], [2, 'b', 2]);
    queue.ack(2);
    assert.equal(queue.size, 0);
    assert.deepEqual(queue.add(bytes('c')), [3], 'ids are never used twice');
    await queue.close();
  }));

test('a failed item with a delay waits for it', () =>
  withDir(async (dir) => {
    let now = 0;
    const queue = SingleConsumerQueue.open(dir, () => now);
    queue.add(bytes('a'));
    queue.fail(queue.get()?.id ?? 0, 500);
    now = 499;
    assert.equal(queue.get(), undefined);
    now = 500;
    assert.equal(text(queue.get()), 'a');
    await queue.close();
  }));

test('a lease lasts exactly its configured time', () =>
  withDir(async (dir) => {
    let now = 0;
    const queue = SingleConsumerQueue.open(dir, () => now, { leaseMs: 1000 });
    queue.add(bytes('a'));
    queue.get();
    now = 999;
    assert.equal(queue.get(), undefined);
    now = 1000;
    assert.equal(queue.get()?.attempt, 2);
    await queue.close();
  }));

test('an item whose lease ran out goes to another worker, and the first one can no longer ack or fail it', () =>
  withDir(async (dir) => {
    let now = 0;
    const options: Partial<QueueOptions> = { leaseMs: 1000 };
    const slow = SingleConsumerQueue.open(dir, () => now, options);
    const quick = SingleConsumerQueue.open(dir, () => now, options);
    slow.add(bytes('a'));
    const id = slow.get()?.id ?? 0;
    now = 900;
    slow.renew(id);
    now = 1899;
    assert.equal(quick.get(), undefined, 'a renewed lease holds');
    now = 1900;
    assert.equal(quick.get()?.attempt, 2);
    throwsCode('queue.unknown-item', () => slow.ack(id));
    throwsCode('queue.unknown-item', () => slow.fail(id));
    quick.ack(id);
    throwsCode('queue.unknown-item', () => quick.ack(id));
    await Promise.all([slow.close(), quick.close()]);
  }));

test('an item that was leased or put off before the clock went back is held for no longer than a lease', () =>
  withDir(async (dir) => {
    let now = 1_000_000;
    const queue = SingleConsumerQueue.open(dir, () => now, { leaseMs: 1000 });
    queue.add(bytes('a'));
    queue.get();
    now = 0;
    const again = queue.get();
    assert.equal(again?.attempt, 2);
    assert.equal(queue.get(), undefined);
    queue.fail(again?.id ?? 0, 60_000);
    now = 999;
    assert.equal(queue.get(), undefined);
    now = 1000;
    assert.equal(queue.get()?.attempt, 3);
    await queue.close();
  }));

test('the queue is bounded, and an add that does not fit adds nothing', () =>
  withDir(async (dir) => {
    const queue = SingleConsumerQueue.open(dir, () => 0, { limit: 2 });
    queue.add(bytes('a'));
    throwsCode('queue.full', () => queue.add(bytes('b'), bytes('c')));
    assert.equal(queue.size, 1);
    queue.add(bytes('b'));
    await queue.close();
  }));

test('any interleaving of two workers, clock and reopening hands out every item until one ack, never after', () => {
  const step = fc.record({
    do: fc.constantFrom('add', 'get', 'get', 'ack', 'ack', 'fail', 'wait', 'reopen'),
    worker: fc.nat(1),
    pick: fc.nat(10),
  });
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) =>
      withDir(async (dir) => {
        let now = 0;
        const openQueue = () => SingleConsumerQueue.open(dir, () => now, { leaseMs: 10 });
        const workers = [openQueue(), openQueue()];
        const held: Map<number, number>[] = [new Map(), new Map()];
        // The model: what is not acked yet, and until when it is leased.
        const live = new Map<number, { attempt: number; freeAt: number }>();
        for (const { do: action, worker, pick } of steps) {
          const queue = workers[worker] as SingleConsumerQueue; // two workers, index 0 or 1
          const mine = held[worker] as Map<number, number>; // likewise
          if (action === 'add') {
            const [id] = queue.add(bytes('x'));
            live.set(id ?? 0, { attempt: 0, freeAt: 0 });
          } else if (action === 'get') {
            const expected = [...live].find(([, item]) => item.freeAt <= now);
            const got = queue.get();
            assert.equal(got?.id, expected?.[0]);
            if (got !== undefined && expected !== undefined) {
              live.set(got.id, { attempt: expected[1].attempt + 1, freeAt: now + 10 });
              assert.equal(got.attempt, expected[1].attempt + 1);
              mine.set(got.id, got.attempt);
            }
          } else if (action === 'ack' || action === 'fail') {
            const id = [...mine.keys()][pick % Math.max(1, mine.size)];
            if (id === undefined) continue;
            const item = live.get(id);
            const valid = item !== undefined && item.attempt === mine.get(id);
            mine.delete(id);
            if (!valid) throwsCode('queue.unknown-item', () => queue[action](id));
            else {
              queue[action](id);
              if (action === 'ack') live.delete(id);
              else live.set(id, { ...item, freeAt: now });
            }
          } else if (action === 'wait') now += pick;
          else {
            await queue.close();
            workers[worker] = openQueue();
            mine.clear();
          }
        }
        assert.deepEqual(
          workers[0]?.list().map((item) => item.id),
          [...live.keys()],
        );
        for (const queue of workers) await queue.close();
      }),
    ),
    { numRuns: 30 },
  );
});

test('a job added by one role is taken by another, unchanged', () =>
  withDir(async (dir) => {
    const asking = openJobQueue(dir, 'batch-run', () => 5);
    const working = openJobQueue(dir, 'batch-run', () => 5);
    const id = asking.add({ requestedBy: 'query', requestedAt: 5 });
    const job = { requestedBy: 'query', requestedAt: 5 };
    assert.deepEqual(working.list(), [{ id, attempt: 0, job }]);
    assert.deepEqual(working.get(), { id, attempt: 1, job });
    working.ack(id);
    assert.deepEqual(asking.list(), []);
    await Promise.all([asking.close(), working.close()]);
  }));

test('a queue is seen to be empty without opening it; one that cannot be read counts as not empty', () =>
  withDir(async (dir) => {
    const queue = SingleConsumerQueue.open(dir, () => 0);
    assert.equal(isEmptyQueue(dir), true);
    queue.add(bytes('a'));
    assert.equal(isEmptyQueue(dir), false);
    const item = queue.get();
    assert.equal(isEmptyQueue(dir), false, 'leased');
    queue.ack(item?.id ?? 0);
    assert.equal(isEmptyQueue(dir), true);
    await queue.close();
    writeFileSync(join(dir, 'data.mdb'), 'garbage');
    assert.equal(isEmptyQueue(dir), false, 'damaged');
  }));
