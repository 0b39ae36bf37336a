/** The query layer as a process. */
import { runRole } from '../lib/process.js';
import { startQuery } from './role.js';

await runRole('query', startQuery);
