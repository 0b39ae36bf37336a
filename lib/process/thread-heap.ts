/**
 * The heap of a thread that runs as long as the process. Without a limit V8 takes it from the machine's memory, up to 4 GB, and collects
 * only when the heap is several times what was live: the speed layer's grew to 700 MB with 160 to 420 MB live.
 */
import type { ResourceLimits } from 'node:worker_threads';

/**
 * Twice the most that is live in the speed layer, by measurement: 270 MB of caches in each of two generations while one hands over.
 * `NODE_OPTIONS=--max-old-space-size=` (MB) comes before it.
 */
export const threadHeap: ResourceLimits = { maxOldGenerationSizeMb: 1_024 };
