/** The speed layer as a process of its own. */
import { runRole } from '../lib/process.js';
import { startSpeed } from './speed.js';

await runRole('speed', startSpeed);
