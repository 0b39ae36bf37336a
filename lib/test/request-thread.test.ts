import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { hasCode } from '../errors/errors.js';
import { RequestThread, ThreadEnded } from '../process/request-thread.js';
import type { Counting } from './request-thread-worker.js';

function start(): { readonly worker: Worker; readonly thread: RequestThread<Counting> } {
  const worker = new Worker(new URL('./request-thread-worker.js', import.meta.url));
  return { worker, thread: new RequestThread<Counting>(worker, 'the counter') };
}

test('requests are answered in order, each after its events, and the thread ends after close', async () => {
  const { worker, thread } = start();
  const heard: string[] = [];
  const responses = [3, 0, 2].map(async (to, i) => {
    const response = await thread.send(to, { onEvent: (number) => heard.push(`${i}: ${number}`) });
    heard.push(`${i} has ${response}`);
  });
  await Promise.all(responses);
  assert.deepEqual(heard, ['0: 1', '0: 2', '0: 3', '0 has 3', '1 has 0', '2: 1', '2: 2', '2 has 2']);
  worker.ref(); // or this process would end first
  const exited = once(worker, 'exit');
  thread.close();
  await exited;
  assert.equal(thread.isAlive, false);
});

const failing = (): never => assert.fail('disk full');

test('a request that fails, in the thread or in its event handler, is rejected, and the next is answered', async (t) => {
  const { thread } = start();
  t.after(async () => thread.terminate());
  await assert.rejects(
    thread.send(-1),
    (error) => hasCode(error, 'usage.invalid') && /to -1/.test(String(error)),
  );
  await assert.rejects(
    thread.send(-2),
    (error) => hasCode(error, 'internal.invariant') && /not ours/.test(String(error)),
  );
  const [failed, next] = await Promise.allSettled([thread.send(2, { onEvent: failing }), thread.send(1)]);
  assert.match(failed.status === 'rejected' ? String(failed.reason) : '', /disk full/);
  assert.deepEqual(next, { status: 'fulfilled', value: 1 });
});

test('a request that cannot be sent is rejected, and does not keep the process alive', async () => {
  const { worker, thread } = start();
  assert.equal(await thread.send(0), 0);
  const ref = worker.ref.bind(worker);
  let refs = 0;
  worker.ref = () => void refs++;
  await assert.rejects(thread.send((() => 1) as unknown as number), /could not be cloned/);
  assert.equal(refs, 0);
  ref(); // or this process would end first
  await thread.terminate();
});

test('a thread that is terminated or throws rejects pending and later requests', async () => {
  for (const isTerminated of [true, false]) {
    const { worker, thread } = start();
    assert.equal(await thread.send(0), 0);
    const open = Promise.allSettled([thread.send(isTerminated ? -4 : -3), thread.send(1)]);
    if (isTerminated) await thread.terminate();
    const message = isTerminated ? 'the counter ended' : 'the counter ended: out of numbers';
    for (const outcome of [...(await open), ...(await Promise.allSettled([thread.send(1)]))]) {
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof ThreadEnded);
      assert.equal(outcome.reason.message, message);
      assert.equal(outcome.reason.cause instanceof Error, !isTerminated);
    }
    assert.equal(worker.threadId, -1);
  }
});
