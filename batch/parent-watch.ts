/**
 * Ends a process whose parent is gone, whatever its main thread does: a thread of its own looks who the parent is, and when that has
 * changed it gives the main thread a moment to end in order, and then kills the process. A disconnected channel tells the
 * main thread the same, but one that waits for a native call, or for its threads to end, does not get to hear it.
 */
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/** From the parent's end to the kill: at most the sum. */
const [lookEveryMs, graceMs] = [500, 2_000];

/** @param parent its process id as it knows it: it may be gone already */
export function endWithParent(parent: number): void {
  new Worker(new URL(import.meta.url), { workerData: { swaParent: parent } }).unref();
}

function watch(parent: number): void {
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs);
  }, lookEveryMs);
}

const isWatch =
  !isMainThread && typeof workerData === 'object' && workerData !== null && 'swaParent' in workerData;
if (isWatch) watch(Number(workerData.swaParent));
