/**
 * Cancels commits that are under way on the commit thread, when the speed layer stops: a commit of a full epoch takes seconds, on a busy machine
 * tens of seconds. Memory that both threads share, because the commit thread reads no messages while it commits.
 */
import { SwaError } from '../../lib/errors/errors.js';

export type CancelFlag = Int32Array<SharedArrayBuffer>;

export function newCancelFlag(): CancelFlag {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function cancel(flag: CancelFlag): void {
  Atomics.store(flag, 0, 1);
}

/** Throws `speed.failed` if the flag is set. */
export function throwIfCancelled(flag: CancelFlag): void {
  if (Atomics.load(flag, 0) === 0) return;
  throw new SwaError('speed.failed', 'a commit was cancelled because the speed layer stops', {
    retryable: true,
  });
}
