/** Runs the speed layer as its own process. */
import { runRole } from '../lib/process/process.js';
import { startSpeed } from './role.js';

await runRole('speed', startSpeed);
