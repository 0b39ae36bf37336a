/** The batch role as a process of its own. */
import { runRole } from '../lib/process.js';
import { startBatch } from './start.js';

await runRole('batch', startBatch);
