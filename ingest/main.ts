/** The collector as a process. */
import { runRole } from '../lib/process.js';
import { startCollector } from './collector-role.js';

await runRole('collector', startCollector);
