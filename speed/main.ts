/** The speed layer as a process of its own. */
import { runRole } from '../lib/process/process.js';
import { startSpeed } from './role.js';

await runRole('speed', startSpeed);
