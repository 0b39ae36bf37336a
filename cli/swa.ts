/**
 * The `swa` command: one file per command in cli/commands. Exit codes: 0 ok, 1 failure, 2 usage or configuration,
 * 3 done with rejects above the limit. Data goes to stdout, everything else to stderr.
 */
import { Command, CommanderError } from 'commander';
import { projectVersion } from '../lib/files/package-version.js';
import { makeFilesPrivate } from '../lib/files/private.js';
import { describeError, exitCodeOf } from '../lib/errors/describe-error.js';

type AddCommand = (program: Command) => void;

/** Loads a command only when it is run, so that it does not load layers it does not use. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  start: async () => (await import('./commands/start.js')).addStartCommand,
  'collector|sink|speed': async () => (await import('./commands/roles.js')).addRoleCommands,
  import: async () => (await import('./commands/import.js')).addImportCommand,
  generate: async () => (await import('./commands/generate.js')).addGenerateCommand,
  batch: async () => (await import('./commands/batch.js')).addBatchCommand,
  query: async () => (await import('./commands/query.js')).addQueryCommand,
  'exclude|include': async () => (await import('./commands/exclude.js')).addExcludeCommands,
  export: async () => (await import('./commands/export.js')).addExportCommand,
  erase: async () => (await import('./commands/erase.js')).addEraseCommand,
  status: async () => (await import('./commands/status.js')).addStatusCommand,
  verify: async () => (await import('./commands/verify.js')).addVerifyCommand,
  'accept-unread': async () => (await import('./commands/accept-unread.js')).addAcceptUnreadCommand,
  recover: async () => (await import('./commands/recover.js')).addRecoverCommand,
  'backup|restore': async () => (await import('./commands/backup.js')).addBackupCommands,
  config: async () => (await import('./commands/config.js')).addConfigCommand,
};

makeFilesPrivate();
const program = new Command('swa')
  .description('SuperWebAnalytics: unique visitors over any range, with logins and devices joined')
  .version(projectVersion(), '--version', 'print the version')
  .showSuggestionAfterError()
  .showHelpAfterError('(swa --help lists the commands)')
  .exitOverride();

const requested = Object.keys(commands).find((names) => names.split('|').includes(process.argv[2] ?? ''));
// Help and suggestions need them all.
for (const name of requested === undefined ? Object.keys(commands) : [requested])
  (await commands[name]?.())?.(program);
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
