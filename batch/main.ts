/** The batch role as a process of its own. */
import { runRole } from '../lib/process/process.js';
import { startBatch } from './role.js';

await runRole('batch', startBatch);
