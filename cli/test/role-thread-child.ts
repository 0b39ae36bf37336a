/** Starts and stops a sink's thread repeatedly, with no time to end, on the given data directory: for role-thread.test.ts. */
import { configWith } from '../../lib/config/config.js';
import { messageOf } from '../../lib/errors/errors.js';
import { eventually } from '../../test/eventually.js';
import { roleThreadsLeft, startRoleThread } from '../role-thread.js';

const config = configWith({ dataDir: process.argv[2] ?? '', logLevel: 'fatal' });
for (let i = 0; i < 5; i++) {
  const sink = await startRoleThread('sink', config, 0); // it opens DuckDB now
  const outcome = await sink.stop().then(() => 'ended', messageOf);
  if (!outcome.includes('did not stop within')) throw new Error(`stop: ${outcome}`);
  if (roleThreadsLeft() !== 1) throw new Error('the thread is not known to be there');
  await eventually('it ends by itself', () => (roleThreadsLeft() === 0 ? true : undefined));
}
