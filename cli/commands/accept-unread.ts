/** `swa accept-unread`: accepts the records in added Kafka partitions, so that answers no longer report them as unread. */
import type { Command } from 'commander';
import { readConfig } from '../../lib/config/config.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { openExistingLog } from '../../log/open-log.js';

export function addAcceptUnreadCommand(program: Command): void {
  program
    .command('accept-unread')
    .description(
      'show how many records lie in partitions added to the Kafka topics, which are not read; --yes accepts that they do not count',
    )
    .option(
      '--yes',
      'answers are complete again; the decision is recorded, and holds for these records alone',
    )
    .action(async (flags: { yes?: boolean }) => {
      const config = readConfig(process.env);
      checkDataDir(config);
      const log = await openExistingLog(config);
      try {
        await log.latest();
        const unread = log.unreadRecords?.() ?? 0;
        process.stdout.write(
          unread === 0
            ? 'there are no unread records\n'
            : flags.yes === true
              ? `accepted: ${(await log.acceptUnread?.()) ?? 0} records do not count\n`
              : `${unread} records are not read, and answers are not complete; \`swa accept-unread --yes\` accepts that\n`,
        );
      } finally {
        await log.close();
      }
    });
}
