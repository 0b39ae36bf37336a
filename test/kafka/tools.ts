/** Kafka's own command-line tools, from the broker's jars: what other programs do to our topics, done by clients that are not ours. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { classPath, jvm, type KafkaBroker } from './broker.js';

export interface ToolResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a tool, by its class, to its end. */
export async function runTool(
  main: string,
  args: readonly string[],
  input: Iterable<string> = [],
): Promise<ToolResult> {
  const child = startTool(main, args);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const fed = pipeline(Readable.from(input), child.stdin).catch(() => undefined); // it may end before it has read all
  const [code] = z
    .tuple([z.number().nullable()])
    .rest(z.unknown())
    .parse(await once(child, 'close'));
  await fed;
  return { code, output };
}

/** Starts a tool; whoever started it ends it. */
function startTool(main: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn('java', [...jvm, '-cp', classPath(), main, ...args]);
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('close', () => process.off('exit', kill));
  return child;
}

export interface ProducerOptions {
  readonly codec?: string;
  readonly properties?: Readonly<Record<string, string>>;
}

/** Another producer, the console producer: sends lines of `key<tab>value`. */
export function produce(
  broker: KafkaBroker,
  topic: string,
  lines: Iterable<string>,
  { codec = 'none', properties = {} }: ProducerOptions = {},
): Promise<ToolResult> {
  const options = ['--bootstrap-server', broker.address, '--topic', topic, '--compression-codec', codec];
  const settings = settingsAs('--producer-property', { 'linger.ms': '50', ...properties });
  const reading = ['--property', 'parse.key=true'];
  return runTool('org.apache.kafka.tools.ConsoleProducer', [...options, ...settings, ...reading], lines);
}

/** Another consumer, the console consumer, in a group, by the protocol named. Whoever started it ends it. */
export function startConsumer(
  broker: KafkaBroker,
  topic: string,
  group: string,
  protocol: 'classic' | 'consumer',
): ChildProcessWithoutNullStreams {
  const options = ['--bootstrap-server', broker.address, '--topic', topic, '--group', group];
  const settings = { 'group.protocol': protocol, 'client.id': `stranger-${protocol}` };
  return startTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...options,
    ...settingsAs('--consumer-property', settings),
  ]);
}

/** Finds the transaction that is open in partition 0 of the topic, which begins at `start`, and ends it, as docs/operations.md says. */
export async function endOpenTransaction(broker: KafkaBroker, topic: string, start: number): Promise<void> {
  const transactions = (command: string, ...args: readonly string[]): Promise<ToolResult> => {
    const place = ['--topic', topic, '--partition', '0'];
    const all = ['--bootstrap-server', broker.address, command, ...place, ...args];
    return runTool('org.apache.kafka.tools.TransactionsCommand', all);
  };
  const { output } = await transactions('describe-producers');
  assert.equal(/\s(\d+)\s*$/m.exec(output)?.[1], String(start), output);
  const ended = await transactions('abort', '--start-offset', String(start));
  assert.equal(ended.code, 0, ended.output);
}

function settingsAs(option: string, settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [option, `${name}=${value}`]);
}
