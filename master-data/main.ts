/** The sink as a process of its own. */
import { runRole } from '../lib/process.js';
import { startSink } from './sink.js';

await runRole('sink', startSink);
