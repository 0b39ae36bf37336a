/**
 * `swa query`: runs the query role; with a subcommand, answers one question. A question goes to the running system if there is
 * one; otherwise this process answers it from the files. Parameters, checks and body are the same (query/inquiries).
 */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { dimensions } from '../../facts/subjects.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { takesMany } from '../../lib/http/route.js';
import { ask, inquiries, type AskInput, type Inquiry } from '../../query/inquiries.js';
import { formats, inFormat, type Format } from '../../query/http/send.js';
import { openEngine } from '../../query/open.js';
import { aroundQuery } from '../roles.js';
import { askRunning, bytesFromRunning } from '../http-client.js';
import { runningUrl } from '../running-url.js';
import { runRoleCommand } from './roles.js';

type Flags = Readonly<Record<string, string | readonly string[] | undefined>>;

export function addQueryCommand(program: Command): void {
  const query = program
    .command('query')
    .description('run the query role only, or ask one question')
    .action(() => runRoleCommand('query'));
  for (const inquiry of inquiries) addInquiry(query, inquiry);
}

/** Path parameters become arguments, query parameters options. */
function addInquiry(query: Command, inquiry: Inquiry): void {
  const command = query.command(inquiry.name).description(inquiry.summary);
  const params = Object.keys(inquiry.params);
  for (const name of params) command.argument(`<${name}>`, inquiry.params[name]?.description);
  const shape = z.object(inquiry.query);
  for (const [name, schema] of Object.entries(inquiry.query)) {
    command.option(`--${name} <value${takesMany(shape, name) ? '...' : ''}>`, schema.description);
  }
  command.addOption(new Option('--format <format>', 'What is printed.').choices(formats).default('json'));
  // Understood, and refused with the reason and what to ask instead.
  for (const { name } of dimensions)
    if (!(name in inquiry.query)) command.addOption(new Option(`--${name} <value>`).hideHelp());
  command.action(async (...given: unknown[]) => {
    const { format, ...flags } = command.opts<Flags & { readonly format: Format }>();
    const args = Object.fromEntries(params.map((name, i) => [name, String(given[i])]));
    process.stdout.write(await answer(readConfig(process.env), inquiry, args, present(flags), format));
  });
}

function present(flags: Flags): AskInput {
  return Object.fromEntries(
    Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function answer(
  config: Config,
  inquiry: Inquiry,
  args: Readonly<Record<string, string>>,
  flags: AskInput,
  format: Format,
): Promise<string | Uint8Array> {
  const origin = runningUrl(config, 'query');
  try {
    if (origin === undefined) return await answerHere(config, inquiry, { ...args, ...flags }, format);
    if (format === 'json') return pretty(await askRunning(config, origin, target(inquiry, args, flags)));
    return await bytesFromRunning(config, origin, target(inquiry, args, { ...flags, format }));
  } catch (error) {
    if (!(error instanceof HttpProblem) || error.status >= 500) throw error;
    throw new SwaError('usage.invalid', error.message, { cause: error.cause, context: error.extra });
  }
}

async function answerHere(
  config: Config,
  inquiry: Inquiry,
  input: AskInput,
  format: Format,
): Promise<string | Uint8Array> {
  checkDataDir(config);
  const opened = openEngine(config, systemClock, await aroundQuery(config));
  try {
    const answered = await ask(opened.engine, inquiry.name, input);
    return format === 'json' ? pretty(answered.body) : inFormat(answered, format);
  } finally {
    await opened.close();
  }
}

/** JSON for people. */
function pretty(body: unknown): string {
  return `${JSON.stringify(body, null, 2)}\n`;
}

function target(inquiry: Inquiry, args: Readonly<Record<string, string>>, flags: AskInput): string {
  const path = inquiry.path.replace(/\{(\w+)\}/g, (_whole, name: string) =>
    encodeURIComponent(args[name] ?? ''),
  );
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(flags)) {
    for (const one of typeof value === 'string' ? [value] : value) params.append(name, one);
  }
  return params.size === 0 ? path : `${path}?${params.toString()}`;
}
