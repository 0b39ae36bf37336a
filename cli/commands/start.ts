/** `swa start`: runs every role in one process. */
import type { Command } from 'commander';
import { readConfig } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { makeLogger, untilSignal } from '../../lib/process/process.js';
import { demoConfig, startDemoTraffic } from '../demo.js';
import { roleThreadsLeft } from '../role-thread.js';
import { startSystem } from '../system.js';
import { welcome } from '../welcome.js';

export function addStartCommand(program: Command): void {
  program
    .command('start', { isDefault: false })
    .description('run every role: collector, sink, batch, speed, query and the page')
    .option(
      '--demo',
      'with generated traffic, a batch run every 20 s, and a separate data directory (./data-demo)',
    )
    .action(async (flags: { demo?: boolean }) => runStart(flags.demo === true));
}

async function runStart(demo: boolean): Promise<void> {
  const stopAsked = untilSignal();
  const config = demo ? demoConfig(process.env) : readConfig(process.env);
  const logger = makeLogger(config, 'swa');
  const system = await startSystem({ config, clock: systemClock, logger });
  const traffic = demo ? startDemoTraffic(system, config) : undefined;
  process.stderr.write(
    welcome({ origin: system.origin, dataDir: config.dataDir, demo, facts: system.factsInLog }),
  );
  const failure = Promise.race([system.done, ...(traffic === undefined ? [] : [traffic.done])]);
  const outcome = await Promise.race([stopAsked, failure]).then(
    (signal) => ({ signal: String(signal), error: undefined }),
    (error: unknown) => ({ signal: undefined, error }),
  );
  logger.info({ signal: outcome.signal }, 'stopping');
  await traffic?.stop();
  const unstopped: unknown = await system.stop().catch((error: unknown) => error);
  if (roleThreadsLeft() > 0) {
    logger.fatal(
      { err: unstopped },
      'stopped while a role was still working: as after a crash, no acknowledged fact is lost',
    );
    process.kill(process.pid, 'SIGKILL'); // exit would abort: see role-thread.ts
  }
  if (outcome.error !== undefined || unstopped !== undefined) throw outcome.error ?? unstopped;
}
