/**
 * The log on Kafka. Topics `<prefix>pageviews`, `<prefix>equivs` and `<prefix>log-id`; the last is compacted and holds
 * the log's id and shape. Several makers may race: each writes its own id under a key of its own, and the record with
 * the lowest offset counts, which compaction never removes.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { SwaError } from '../../errors.js';
import { validJson } from '../../valid-json.js';
import { GroupCommit } from '../group-commit.js';
import {
  offset,
  parsePartitionName,
  type LogId,
  type LogReader,
  type LogWriter,
  type NewRecord,
  type Offsets,
  type PartitionName,
  type ReaderOptions,
  type Share,
  type ShareOptions,
  topics,
  type Topic,
} from '../log.js';
import { OpenReaders } from '../open-readers.js';
import { partitionsOf } from '../partitioner.js';
import { route, type Routed } from '../route.js';
import {
  KafkaClient,
  longestSilenceMs,
  type KafkaBatch,
  type KafkaOptions,
  type Message,
  type Subscription,
} from './client.js';
import { FencedReader, type Source } from './fenced-reader.js';
import { KafkaShare } from './kafka-share.js';

export interface KafkaLogOptions extends KafkaOptions {
  readonly topicPrefix: string;
  readonly replication: number;
  /** Partitions of topic pageviews: used when the topics are made, checked ever after. */
  readonly partitions: number;
  /** The broker must keep facts at least this long; 0 asks for nothing. */
  readonly leastRetentionMs: number;
  /** See FenceOptions. */
  readonly silentMs?: number;
}

const identitySchema = z.object({ logId: z.uuid(), partitions: z.int().min(1) });

const weekMs = 7 * 24 * 3_600_000;
/** What a reader holds ready. */
const buffered = { bufferedRecords: 50_000, bufferedBytes: 64 * 2 ** 20 } as const;
/** Kafka refuses record batches over 1,048,588 bytes; a commit may put all it has into one partition. */
const commitBytes = 900_000;
/** The same with what Kafka puts around it. */
const leastMessageBytes = 1_000_000;
/** Key (3 bytes a character at most) and Kafka's own fields. */
const overheadBytes = ({ key }: NewRecord): number => 3 * key.length + 40;

/** Throws `log.unavailable`, `config.invalid` (partitions or retention), `log.mismatch`. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<LogWriter> {
  const client = await KafkaClient.connect(options);
  try {
    await client.createTopics(topicsToMake(options));
    const id = await identify(client, options);
    await checkIdentityIsKept(client, options);
    for (const topic of topics) await checkTopic(client, options, topic);
    return new KafkaLog(client, id, options);
  } catch (error) {
    await client.close();
    throw error;
  }
}

function topicsToMake({ topicPrefix, partitions, replication, leastRetentionMs }: KafkaLogOptions) {
  const keep = {
    'cleanup.policy': 'delete',
    'retention.ms': String(Math.max(weekMs, 2 * leastRetentionMs)),
    'retention.bytes': '-1',
    'max.message.bytes': String(2 * leastMessageBytes),
  };
  return [
    { name: `${topicPrefix}log-id`, partitions: 1, replication, config: { 'cleanup.policy': 'compact' } },
    { name: `${topicPrefix}pageviews`, partitions, replication, config: keep },
    { name: `${topicPrefix}equivs`, partitions: 1, replication, config: keep },
  ];
}

async function identify(client: KafkaClient, options: KafkaLogOptions): Promise<LogId> {
  const topic = `${options.topicPrefix}log-id`;
  const [range] = await client.offsets(topic);
  if (range === undefined || range.high === range.low) {
    const key = randomUUID();
    const value = Buffer.from(JSON.stringify({ logId: key, partitions: options.partitions }));
    await client.send([{ topic, partition: 0, key, value }]);
  }
  const identity = validJson(identitySchema, await firstRecord(client, topic));
  if (identity === undefined) throw new SwaError('log.mismatch', `topic ${topic} does not hold a log's id`);
  const found = (await client.offsets(`${options.topicPrefix}pageviews`)).length;
  if (found !== options.partitions || identity.partitions !== found) {
    throw new SwaError(
      'config.invalid',
      `SWA_PARTITIONS is ${options.partitions}, the log was made with ${identity.partitions}, and topic ` +
        `${options.topicPrefix}pageviews has ${found} partitions`,
      { hint: 'a key must stay in its partition: set SWA_PARTITIONS to what the log was made with' },
    );
  }
  return identity.logId as LogId; // branding: this file is where Kafka's log ids come from
}

/** Waits for the record with the lowest offset. */
async function firstRecord(client: KafkaClient, topic: string): Promise<string> {
  let subscribed: Promise<Subscription> | undefined;
  const patience = AbortSignal.timeout(60_000);
  try {
    const first = await new Promise<KafkaBatch>((resolve, reject) => {
      patience.addEventListener('abort', () => {
        reject(
          new SwaError('log.unavailable', `cannot read the log's id: ${topic} stays silent`, {
            retryable: true,
          }),
        );
      });
      subscribed = client.subscribe(`${topic}-reader`, {
        positions: () => [{ topic, partition: 0, offset: 0 }],
        take: (batch) => {
          if (batch.values.length > 0) resolve(batch);
          return Promise.resolve('taken');
        },
        failed: reject,
      });
      subscribed.catch(reject);
    });
    return Buffer.from(first.values[0] ?? []).toString();
  } finally {
    await (await subscribed?.catch(() => undefined))?.stop();
  }
}

/** Else a new id would be made one day, and everything that is stored would belong to another log. */
async function checkIdentityIsKept(client: KafkaClient, options: KafkaLogOptions): Promise<void> {
  const name = `${options.topicPrefix}log-id`;
  const policy = (await client.topicConfig(name, ['cleanup.policy'])).get('cleanup.policy');
  if (policy === 'compact') return;
  throw new SwaError(
    'config.invalid',
    `topic ${name} has cleanup.policy ${policy}, which drops the log's id`,
    {
      hint: 'set its cleanup.policy to compact',
    },
  );
}

/** Whether a topic of facts keeps them long enough and takes what we send. */
async function checkTopic(client: KafkaClient, options: KafkaLogOptions, topic: Topic): Promise<void> {
  const name = `${options.topicPrefix}${topic}`;
  const asked = ['retention.ms', 'retention.bytes', 'cleanup.policy', 'max.message.bytes'];
  const config = await client.topicConfig(name, asked);
  const retentionMs = Number(config.get('retention.ms') ?? -1);
  if (retentionMs >= 0 && retentionMs < options.leastRetentionMs) {
    throw new SwaError(
      'config.invalid',
      `topic ${name} keeps records for ${retentionMs} ms, shorter than three batch intervals (${options.leastRetentionMs} ms)`,
      { hint: `set its retention.ms to at least ${options.leastRetentionMs}, or run batches more often` },
    );
  }
  const retentionBytes = Number(config.get('retention.bytes') ?? -1);
  if (retentionBytes >= 0 && options.leastRetentionMs > 0) {
    throw new SwaError(
      'config.invalid',
      `topic ${name} keeps at most ${retentionBytes} bytes of a partition, so it may drop facts that no batch run has covered`,
      { hint: 'set its retention.bytes to -1' },
    );
  }
  const takesBytes = Number(config.get('max.message.bytes') ?? leastMessageBytes);
  if (takesBytes < leastMessageBytes) {
    throw new SwaError(
      'config.invalid',
      `topic ${name} takes record batches of at most ${takesBytes} bytes, and we send up to ${leastMessageBytes}`,
      { hint: `set its max.message.bytes to at least ${leastMessageBytes}` },
    );
  }
  if (config.get('cleanup.policy')?.includes('compact') === true) {
    throw new SwaError('config.invalid', `topic ${name} is compacted, which drops facts`, {
      hint: 'set its cleanup.policy to delete',
    });
  }
}

class KafkaLog implements LogWriter {
  readonly id: LogId;
  readonly partitions: readonly PartitionName[];
  readonly #client: KafkaClient;
  readonly #options: KafkaLogOptions;
  readonly #commits: GroupCommit<Routed>;
  readonly #readers = new OpenReaders();
  #closed = false;

  constructor(client: KafkaClient, id: LogId, options: KafkaLogOptions) {
    this.id = id;
    this.partitions = partitionsOf(options.partitions);
    this.#client = client;
    this.#options = options;
    this.#commits = new GroupCommit({
      commit: (group) => client.send(group.flatMap((routed) => this.#messages(routed))),
      commitBytes,
      waitingBytes: 64 * 2 ** 20,
      hint: 'see that the brokers run; the log resumes by itself',
    });
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    this.#checkOpen();
    const pieces = route(records, {
      pageviewPartitions: this.#options.partitions,
      overheadBytes,
      pieceBytes: commitBytes,
    });
    await Promise.all(pieces.map((piece) => this.#commits.add(piece)));
  }

  /** The broker owns retention. */
  async trim(): Promise<void> {
    this.#checkOpen();
  }

  earliest(): Promise<Offsets> {
    return this.#offsets('low');
  }

  latest(): Promise<Offsets> {
    return this.#offsets('high');
  }

  async openReader({ from, consumer }: ReaderOptions): Promise<LogReader> {
    this.#checkOpen();
    const unknown = Object.keys(from).find((name) => !this.partitions.some((own) => own === name));
    if (unknown !== undefined) {
      throw new SwaError('log.mismatch', `the log has no partition ${unknown}`, { context: { from } });
    }
    const reader = new FencedReader(this.#source(consumer), from, {
      silentMs: this.#options.silentMs ?? 60_000,
      ...buffered,
    });
    await reader.start();
    return this.#readers.add(reader);
  }

  /** The members of a group share the partitions by themselves, however many they are. */
  share({ group }: Pick<ShareOptions, 'group'>): Promise<Share> {
    this.#checkOpen();
    return KafkaShare.join({
      ...this.#names(),
      partitions: this.partitions,
      join: (member) => this.#client.join(`${this.#options.topicPrefix}${group}`, member),
      silentMs: longestSilenceMs,
    });
  }

  /** Sends what waits, then closes its readers and connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#commits.drain();
    await this.#readers.closeAll();
    await this.#client.close();
  }

  #source(consumer: string): Source {
    const prefix = this.#options.topicPrefix;
    return {
      subscribe: (subscriber) => this.#client.subscribe(`${prefix}${consumer}`, subscriber),
      offsets: (topic) => this.#client.offsets(topic),
      ...this.#names(),
    };
  }

  /** The broker's names for our partitions, and ours for its. */
  #names(): Pick<Source, 'topicOf' | 'nameOf'> {
    const prefix = this.#options.topicPrefix;
    return {
      topicOf: (name) => `${prefix}${parsePartitionName(name).topic}`,
      nameOf: (topic, partition) => {
        const name = this.partitions.find((own) => own === `${topic.slice(prefix.length)}/${partition}`);
        if (name === undefined)
          throw new SwaError('internal.invariant', `${topic}/${partition} is none of ours`);
        return name;
      },
    };
  }

  #messages({ records, partitions }: Routed): Message[] {
    const prefix = this.#options.topicPrefix;
    return records.map(({ topic, key, value }, i) => ({
      topic: `${prefix}${topic}`,
      partition: topic === 'pageviews' ? (partitions[i] ?? 0) : 0,
      key,
      value,
    }));
  }

  async #offsets(end: 'low' | 'high'): Promise<Offsets> {
    this.#checkOpen();
    const found = await Promise.all(
      topics.map(async (topic) => this.#client.offsets(`${this.#options.topicPrefix}${topic}`)),
    );
    const [pageviews, equivs] = found;
    const ranges = [...(pageviews ?? []), ...(equivs ?? []).slice(0, 1)];
    return Object.fromEntries(this.partitions.map((name, i) => [name, offset(ranges[i]?.[end] ?? 0)]));
  }

  #checkOpen(): void {
    if (this.#closed) throw new SwaError('log.closed', 'cannot use the log: it is closed');
  }
}
