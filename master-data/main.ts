/** The sink as a process of its own. */
import { runRole } from '../lib/process/process.js';
import { startSink } from './role.js';

await runRole('sink', startSink);
