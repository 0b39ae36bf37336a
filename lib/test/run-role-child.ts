/** A role process whose start fails as often as argument 1 says; it exits once it runs. */
import { SwaError } from '../errors/errors.js';
import { runRole } from '../process/process.js';

const [failures = '0', kind = 'temporary', forMs = '60000'] = process.argv.slice(2);
let starts = 0;

await runRole(
  'sink',
  () => {
    if (++starts <= Number(failures))
      throw new SwaError('log.unavailable', `start ${starts} failed`, { retryable: kind === 'temporary' });
    process.stdout.write(`running after ${starts} starts\n`);
    setImmediate(() => process.kill(process.pid, 'SIGTERM')); // when it is listened to
    const atWork = setInterval(() => undefined, 1_000);
    const stop = (): Promise<void> => Promise.resolve(clearInterval(atWork));
    return Promise.resolve({ done: new Promise<void>(() => undefined), stop });
  },
  { forMs: Number(forMs), pauseMs: 10 },
);
