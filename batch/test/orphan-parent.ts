/** Starts a batch run and reports its steps; orphans.whole.test.ts kills this process. */
import type { Config } from '../../lib/config/config.js';
import { spawnBatchRun } from '../spawn-run.js';

process.on('message', (config: Config) => {
  void spawnBatchRun({
    config,
    trigger: 'command',
    onProgress: ({ step }) => process.send?.(step),
  }).then(
    () => process.exit(),
    () => process.exit(1),
  );
});
process.on('disconnect', () => process.exit(1));
