/**
 * Ends a process whose parent has died, whatever its main thread does. A separate thread polls the parent's process id; when it has changed, it
 * gives the main thread some time to end, and then kills the process. A closed IPC channel also tells the main thread, but not while it waits in
 * a native call or for its threads to end.
 */
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/** Intervals; from the parent's death to the kill takes at most their sum. */
const [lookEveryMs, graceMs] = [500, 2_000];

/** @param parent process id of the parent, passed by the parent itself because it may already be dead */
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
