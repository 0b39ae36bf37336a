/** The query layer as a process. */
import { runRole } from '../lib/process/process.js';
import { startQuery } from './role.js';

await runRole('query', (context) => startQuery(context));
