/**
 * The `swa` command: one file a command under cli/commands. Exit codes: 0 ok, 1 failure, 2 usage or configuration,
 * 3 done with rejects above the limit. Data goes to stdout, everything else to stderr.
 */
import { Command, CommanderError } from 'commander';
import { makeFilesPrivate } from '../lib/files/private.js';
import { describeError, exitCodeOf } from '../lib/process.js';
import { addBatchCommand } from './commands/batch.js';
import { addConfigCommand } from './commands/config.js';
import { addGenerateCommand } from './commands/generate.js';
import { addImportCommand } from './commands/import.js';
import { addQueryCommand } from './commands/query.js';
import { addRecoverCommand } from './commands/recover.js';
import { addRoleCommands } from './commands/roles.js';
import { addStartCommand } from './commands/start.js';
import { addStatusCommand } from './commands/status.js';
import { addVerifyCommand } from './commands/verify.js';

makeFilesPrivate();
const program = new Command('swa')
  .description('SuperWebAnalytics: unique visitors over any range, with logins and devices joined')
  .showSuggestionAfterError()
  .showHelpAfterError('(swa --help lists the commands)')
  .exitOverride();

addStartCommand(program);
addRoleCommands(program);
addImportCommand(program);
addGenerateCommand(program);
addBatchCommand(program);
addQueryCommand(program);
addStatusCommand(program);
addVerifyCommand(program);
addRecoverCommand(program);
addConfigCommand(program);
for (const command of program.commands) inheritSettings(command);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = exitCodeOf(error);
    process.stderr.write(`${describeError(error)}\n`);
  }
}

function inheritSettings(command: Command): void {
  command.copyInheritedSettings(program);
  for (const child of command.commands) inheritSettings(child);
}
