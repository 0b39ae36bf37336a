/** The collector as a process. */
import { runRole } from '../lib/process/process.js';
import { startCollector } from './role.js';

await runRole('collector', (context) => startCollector(context));
