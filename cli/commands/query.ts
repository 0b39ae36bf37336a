/**
 * `swa query`: without a subcommand, the query role; with one, a question. A question goes to the running system when there is
 * one, else it is answered in this process from the files; the body is the same.
 */
import type { Command } from 'commander';
import { readConfig, type Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors.js';
import { answerInProcess } from '../../query/in-process.js';
import { askRunning } from '../http-client.js';
import { runningUrl } from '../running-url.js';
import { runRoleCommand } from './roles.js';

type Flags = Readonly<Record<string, string | string[] | boolean | undefined>>;

const ranged = ['from', 'to', 'interval', 'tz'] as const;
const questions = [
  {
    name: 'uniques',
    path: '/v1/uniques',
    options: ['url', 'domain', ...ranged],
    about: 'distinct people of a URL or domain in a range',
  },
  {
    name: 'pageviews',
    path: '/v1/pageviews',
    options: ['url', 'domain', ...ranged],
    about: 'pageviews of a URL or domain in a range',
  },
  {
    name: 'bounce-rate',
    path: '/v1/bounce-rate',
    options: ['domain', 'from', 'to'],
    about: 'visits and bounces of a domain',
  },
  {
    name: 'pages',
    path: '/v1/pages',
    options: ['domain', 'from', 'to', 'limit'],
    about: 'pages of a domain by pageviews',
  },
] as const;

export function addQueryCommand(program: Command): void {
  const query = program
    .command('query')
    .description('run the query role only, or ask one question')
    .action(() => runRoleCommand('query'));
  for (const { name, path, options, about } of questions) {
    const command = query.command(name).description(about);
    for (const option of options) {
      if (option === 'url') command.option('--url <url...>', 'page; several mean their union');
      else command.option(`--${option} <${option}>`);
    }
    command.option('--explain', 'list the buckets read').action((flags: Flags) => ask(path, flags));
  }
  query
    .command('person')
    .description('the PersonID of a visitor id, and all ids joined to it')
    .argument('<visitorId>')
    .action((visitor: string) => ask(`/v1/persons/${encodeURIComponent(visitor)}`, {}));
}

async function ask(path: string, flags: Flags): Promise<void> {
  const config = readConfig(process.env);
  const body = await answer(config, `${path}${queryString(flags)}`);
  process.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
}

async function answer(config: Config, target: string): Promise<unknown> {
  const origin = runningUrl(config, 'query');
  try {
    return origin === undefined
      ? await answerInProcess(config, target)
      : await askRunning(config, origin, target);
  } catch (error) {
    if (error instanceof SwaError && error.code === 'request.invalid' && !error.retryable) {
      throw new SwaError('usage.invalid', error.message, {
        cause: error.cause,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    throw error;
  }
}

function queryString(flags: Flags): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value === true ? '1' : String(value)])
      params.append(name, one);
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}
