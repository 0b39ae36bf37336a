/**
 * The topics of a log: the settings they are created with, and checks of existing ones. Settings that lose facts or
 * reject our records are errors; settings that are only risky are warnings. Both name the command that fixes them.
 *
 * - `compression.type=uncompressed`: the broker decompresses what others send, so readers need no codec, our own
 *   batches are stored as sent, and the broker rejects a batch that decompresses to more than `max.message.bytes`.
 * - `message.timestamp.type=LogAppendTime`: retention uses the arrival time of a record, not a time its producer chose.
 */
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { topics as topicsOfLog } from '../log.js';
import type { KafkaClient, NewTopic } from './client.js';

export interface TopicOptions {
  readonly topicPrefix: string;
  readonly replication: number;
  /** Number of partitions of topic pageviews: used when the topics are created, checked on every later open. */
  readonly partitions: number;
  /** Minimum time the broker must keep facts; 0 for no minimum. */
  readonly minRetentionMs: number;
}

/**
 * Maximum size of a commit. By default Kafka rejects record batches over 1,048,588 bytes, and a commit may go to one
 * partition.
 */
export const commitBytes = 900_000;
/** The same including Kafka's overhead. */
const minMessageBytes = 1_000_000;
/** A reader holds at least one record batch in memory, so larger limits are reported. */
const maxMessageBytes = 8 * 2 ** 20;
const weekMs = 7 * 24 * 3_600_000;

export const idTopic = ({ topicPrefix }: TopicOptions): string => `${topicPrefix}log-id`;
export const factTopics = ({ topicPrefix }: TopicOptions): string[] =>
  topicsOfLog.map((topic) => `${topicPrefix}${topic}`);

export function topicsToMake(options: TopicOptions): NewTopic[] {
  const { partitions, replication, minRetentionMs } = options;
  const config = {
    'cleanup.policy': 'delete',
    'retention.ms': String(Math.max(weekMs, 2 * minRetentionMs)),
    'retention.bytes': '-1',
    'max.message.bytes': String(2 * minMessageBytes),
    'compression.type': 'uncompressed',
    'message.timestamp.type': 'LogAppendTime',
  };
  const [pageviews = '', equivs = ''] = factTopics(options);
  return [
    {
      name: idTopic(options),
      partitions: 1,
      replication,
      config: { 'cleanup.policy': 'compact', 'compression.type': 'uncompressed' },
    },
    { name: pageviews, partitions, replication, config },
    { name: equivs, partitions: 1, replication, config },
  ];
}

/** How long a result is reused. */
const freshMs = 60_000;

/** Warnings about the topics' settings, checked again every minute because they can be changed at any time. */
export class TopicWatch {
  readonly #client: KafkaClient;
  readonly #options: TopicOptions;
  #warnings: readonly string[];
  #lookedAt = performance.now();

  constructor(client: KafkaClient, options: TopicOptions, warnings: readonly string[]) {
    this.#client = client;
    this.#options = options;
    this.#warnings = warnings;
  }

  async warnings(): Promise<readonly string[]> {
    if (performance.now() - this.#lookedAt < freshMs) return this.#warnings;
    this.#lookedAt = performance.now();
    try {
      this.#warnings = await checkTopics(this.#client, this.#options);
    } catch (error) {
      // An error that would prevent a start is only a warning for a running process.
      if (!hasCode(error, 'config.invalid')) throw error;
      this.#warnings = [`${error.message}; the next start will fail. ${error.hint ?? ''}`];
    }
    return this.#warnings;
  }
}

/** Returns warnings about the topics. Throws `config.invalid` for a topic that loses facts or rejects our records. */
export async function checkTopics(client: KafkaClient, options: TopicOptions): Promise<string[]> {
  await checkIdentityIsKept(client, idTopic(options));
  const warnings: string[] = [];
  for (const topic of factTopics(options)) {
    const setting = await client.topicConfig(topic, [
      'retention.ms',
      'retention.bytes',
      'cleanup.policy',
      'max.message.bytes',
      'compression.type',
      'message.timestamp.type',
    ]);
    refuseLosing(client, topic, setting, options);
    warnings.push(...warningsOf(client, topic, setting));
  }
  return warnings;
}

/** If the id were deleted, a new one would be created, and all stored data would belong to another log. */
async function checkIdentityIsKept(client: KafkaClient, topic: string): Promise<void> {
  const policy = (await client.topicConfig(topic, ['cleanup.policy'])).get('cleanup.policy');
  if (policy === 'compact') return;
  throw refused(client, topic, `has cleanup.policy ${policy}, which deletes the record with the log's id`, {
    'cleanup.policy': 'compact',
  });
}

type Settings = ReadonlyMap<string, string>;

function refuseLosing(
  client: KafkaClient,
  topic: string,
  setting: Settings,
  { minRetentionMs }: TopicOptions,
): void {
  const retentionMs = Number(setting.get('retention.ms') ?? -1);
  if (retentionMs >= 0 && retentionMs < minRetentionMs) {
    const why = `keeps records for ${retentionMs} ms, shorter than three batch intervals (${minRetentionMs} ms)`;
    throw refused(client, topic, why, { 'retention.ms': String(minRetentionMs) });
  }
  const retentionBytes = Number(setting.get('retention.bytes') ?? -1);
  if (retentionBytes >= 0 && minRetentionMs > 0) {
    const why = `keeps at most ${retentionBytes} bytes of a partition, so it may drop facts that no batch run has covered`;
    throw refused(client, topic, why, { 'retention.bytes': '-1' });
  }
  const takesBytes = Number(setting.get('max.message.bytes') ?? minMessageBytes);
  if (takesBytes < minMessageBytes) {
    const why = `takes record batches of at most ${takesBytes} bytes, but swa sends up to ${minMessageBytes}`;
    throw refused(client, topic, why, { 'max.message.bytes': String(minMessageBytes) });
  }
  if (setting.get('cleanup.policy')?.includes('compact') === true)
    throw refused(client, topic, 'is compacted, which drops facts', { 'cleanup.policy': 'delete' });
}

function refused(
  client: KafkaClient,
  topic: string,
  why: string,
  fixes: Readonly<Record<string, string>>,
): SwaError {
  return new SwaError('config.invalid', `topic ${topic} ${why}`, {
    hint: `change the topic: ${alterCommand(client, topic, fixes)}`,
  });
}

function warningsOf(client: KafkaClient, topic: string, setting: Settings): string[] {
  const compression = setting.get('compression.type') ?? '';
  const timestamps = setting.get('message.timestamp.type') ?? '';
  const messageBytes = Number(setting.get('max.message.bytes') ?? 0);
  const found: string[] = [];
  const fixes: Record<string, string> = {};
  if (!['uncompressed', 'gzip'].includes(compression)) {
    found.push(
      `compression.type=${compression}: the broker stores what producers send, so readers decompress batches of any size`,
    );
    fixes['compression.type'] = 'uncompressed';
  }
  if (timestamps !== 'LogAppendTime') {
    found.push(
      `message.timestamp.type=${timestamps}: retention may delete records with old timestamps before they are read`,
    );
    fixes['message.timestamp.type'] = 'LogAppendTime';
  }
  if (messageBytes > maxMessageBytes) {
    found.push(`max.message.bytes=${messageBytes}: a reader needs this much memory for one record batch`);
    fixes['max.message.bytes'] = String(2 * minMessageBytes);
  }
  return found.length === 0
    ? []
    : [`topic ${topic} has ${found.join('; ')}. Change it: ${alterCommand(client, topic, fixes)}`];
}

function alterCommand(
  { brokers }: KafkaClient,
  topic: string,
  settings: Readonly<Record<string, string>>,
): string {
  const list = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return (
    `kafka-configs.sh --bootstrap-server ${brokers[0]} --alter --entity-type topics ` +
    `--entity-name ${topic} --add-config ${list.join(',')}`
  );
}
