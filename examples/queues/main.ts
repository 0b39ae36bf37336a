/** Runs the same work over the three kinds of queue: `node dist/examples/queues/main.js`. See docs/queues.md. */
import { report } from './report.js';

process.stdout.write(await report());
