/** A parent that has a batch run made and says each step of it, for orphans.whole.test.ts: to be killed. */
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
