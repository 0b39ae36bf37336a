/** Runs the batch role as its own process. */
import { runRole } from '../lib/process/process.js';
import { startBatch } from './role.js';

await runRole('batch', startBatch);
