/** Runs the sink as its own process. */
import { runRole } from '../lib/process/process.js';
import { startSink } from './role.js';

await runRole('sink', startSink);
