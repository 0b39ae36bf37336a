/**
 * Kafka through kafkajs, which only this file and assigners.ts know. It offers what the log needs and no more: topics,
 * their offsets, sending, a subscription to exactly the partitions asked for, and membership in a group that shares them.
 *
 * A subscription is the only member of a consumer group of its own (kafkajs knows no manual assignment), with an
 * assigner that hands it just its partitions. Nothing is ever committed to the group; after every join the positions
 * are set anew from the caller's. Offsets are decimal strings in kafkajs and checked numbers on this side.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, {
  type Admin,
  type EachBatchPayload,
  type Consumer,
  type Kafka,
  type PartitionAssigner,
  type Producer,
  type SASLOptions,
} from 'kafkajs';
import { asBuffer } from '../../as-buffer.js';
import { SwaError, messageOf } from '../../errors.js';
import { assigner, exactly, type GroupRules, type TopicPartition } from './assigners.js';

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly tls: false | { readonly ca: readonly string[] };
  readonly sasl:
    undefined | { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string };
}

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly config: Readonly<Record<string, string>>;
}

/** Offsets of one partition: first retained, and next after the last. */
export interface OffsetRange {
  readonly low: number;
  readonly high: number;
}

export interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: Uint8Array;
}

/** What one fetch brought of one partition. */
export interface KafkaBatch {
  readonly topic: string;
  readonly partition: number;
  /** First offset seen, also of records that are not for users (control records). */
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly offsets: readonly number[];
  readonly values: readonly Uint8Array[];
}

export interface Position extends TopicPartition {
  readonly offset: number;
}

export interface Subscriber {
  /** Where to read on, for every partition of the subscription: asked at the start and after every rejoin. */
  positions(): readonly Position[];
  /**
   * Takes a batch; the next one comes when it resolves. `alive` must be called every few seconds while it takes time.
   * 'again' means that the batch was not what was expected: the position is set anew.
   */
  take(batch: KafkaBatch, alive: () => Promise<void>): Promise<'taken' | 'again'>;
  /** The subscription has ended for good. */
  failed(error: SwaError): void;
}

export interface Subscription {
  stop(): Promise<void>;
}

/** One of those who share the partitions of some topics; all of them give the same topics and rules. */
export interface Member {
  readonly topics: readonly string[];
  readonly rules: GroupRules;
  /** What this member has from now on. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** The group still counts this member in. */
  heard(): void;
  /** The membership has ended for good. */
  failed(error: SwaError): void;
}

export interface Membership {
  /** The others share out at once what this member had. */
  leave(): Promise<void>;
}

/**
 * After a broker's crash a group waits this long for the members it remembers, and after a member's crash before it puts
 * it out. Being put out is harmless (we rejoin, and positions are our own), so it is short.
 */
const sessionMs = 10_000;
const rebalanceMs = 10_000;
/** The longest that a member can be in a group and hear nothing: put out, dealt anew, and some to spare. */
export const longestSilenceMs = sessionMs + 2 * rebalanceMs;

/** Limits on one attempt and on all of them, so that a caller hears of a missing broker within seconds. */
const retry = { initialRetryTime: 100, maxRetryTime: 2000, retries: 6 };

export class KafkaClient {
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #brokers: readonly string[];
  #producer: Promise<Producer> | undefined;

  private constructor(options: KafkaOptions) {
    this.#brokers = options.brokers;
    this.#kafka = new kafkajs.Kafka({
      clientId: 'swa',
      brokers: [...options.brokers],
      connectionTimeout: 3000,
      requestTimeout: 10_000,
      retry,
      logLevel: kafkajs.logLevel.NOTHING, // what matters arrives as errors
      ...(options.tls === false
        ? {}
        : { ssl: options.tls.ca.length === 0 ? true : { ca: [...options.tls.ca] } }),
      ...(options.sasl === undefined ? {} : { sasl: saslOf(options.sasl) }),
    });
    this.#admin = this.#kafka.admin();
  }

  /** Throws `log.unavailable` (retryable) when no broker answers, or lets us in. */
  static async connect(options: KafkaOptions): Promise<KafkaClient> {
    const client = new KafkaClient(options);
    await client.#do('reach', () => client.#admin.connect());
    return client;
  }

  /** Creates what is missing of these topics, and waits until they can be used. Others may do the same meanwhile. */
  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await this.#do('create topics at', async () => {
      const existing = await this.#admin.listTopics();
      for (const topic of topics.filter(({ name }) => !existing.includes(name))) {
        await this.#admin.createTopics({
          waitForLeaders: false,
          topics: [
            {
              topic: topic.name,
              numPartitions: topic.partitions,
              replicationFactor: topic.replication,
              configEntries: Object.entries(topic.config).map(([name, value]) => ({ name, value })),
            },
          ],
        });
      }
      for (let attempt = 0; !(await this.#haveLeaders(topics)); attempt++) {
        if (attempt === 100) throw new Error('the topics get no leaders');
        await sleep(100);
      }
    });
  }

  async #haveLeaders(topics: readonly NewTopic[]): Promise<boolean> {
    try {
      const found = await this.#admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
      return found.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    } catch (error) {
      if (error instanceof kafkajs.KafkaJSProtocolError && error.retriable) return false; // not known everywhere yet
      throw error;
    }
  }

  /** By partition number, 0 first. */
  offsets(topic: string): Promise<OffsetRange[]> {
    return this.#do(`ask for the offsets of ${topic} at`, async () => {
      const found = await this.#admin.fetchTopicOffsets(topic);
      const ordered = found.toSorted((a, b) => a.partition - b.partition);
      return ordered.map(({ low, high }) => ({ low: offsetOf(low), high: offsetOf(high) }));
    });
  }

  topicConfig(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#do(`ask for the configuration of ${topic} at`, async () => {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [...names] }],
      });
      const entries = resources.flatMap((resource) => resource.configEntries);
      return new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    });
  }

  /** Resolves when all in-sync replicas have all messages; one attempt at a time keeps their order. */
  async send(messages: readonly Message[]): Promise<void> {
    const producer = await this.#connectedProducer();
    const topics = [...new Set(messages.map((message) => message.topic))];
    await this.#do('send to', () =>
      producer.sendBatch({
        acks: -1,
        topicMessages: topics.map((topic) => ({
          topic,
          messages: messages.flatMap((message) =>
            message.topic === topic ? { ...message, value: asBuffer(message.value) } : [],
          ),
        })),
      }),
    );
  }

  /** Reads on and on into `subscriber`, across broker restarts, until stopped. */
  async subscribe(group: string, subscriber: Subscriber): Promise<Subscription> {
    const positions = subscriber.positions();
    const topics = [...new Set(positions.map((position) => position.topic))];
    const consumer = this.#consumer(`${group}.${randomUUID()}`, assigner(topics, exactly(positions)));
    const seek = (position: Position): void =>
      consumer.seek({ ...position, offset: String(position.offset) });
    consumer.on(consumer.events.GROUP_JOIN, () => subscriber.positions().forEach(seek));
    // A fetch of nothing but control records and what aborted transactions left is not handed out, only told of.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      const { topic, partition, batchSize, firstOffset, lastOffset } = payload;
      const first: string | null = firstOffset; // null where all of it lies before the position
      if (batchSize > 0 || first === null) return;
      const range = { firstOffset: offsetOf(first), nextOffset: offsetOf(lastOffset) + 1 };
      const empty = { topic, partition, ...range, offsets: [], values: [] };
      // Should it fail, as when the consumer has stopped, whoever subscribes next sets the position anyway.
      hand(empty, subscriber, seek, () => Promise.resolve()).catch(() => undefined);
    });
    const failed = (error: SwaError): void => subscriber.failed(error);
    await this.#run(consumer, 'read from', topics, failed, (batch) => deliver(batch, subscriber, seek));
    return { stop: () => consumer.disconnect() };
  }

  /** Joins the group, or founds it; stays in it across broker restarts until it leaves. Nothing is read through it. */
  async join(group: string, member: Member): Promise<Membership> {
    const topics = [...member.topics];
    const consumer = this.#consumer(group, assigner(topics, member.rules));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      consumer.pause(topics.map((topic) => ({ topic })));
      member.assigned(
        Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      );
    });
    consumer.on(consumer.events.HEARTBEAT, () => member.heard());
    const failed = (error: SwaError): void => member.failed(error);
    await this.#run(consumer, `join ${group} at`, topics, failed, () => Promise.resolve());
    return { leave: () => this.#do(`leave ${group} at`, () => consumer.disconnect()) };
  }

  #consumer(groupId: string, partitionAssigner: PartitionAssigner): Consumer {
    return this.#kafka.consumer({
      groupId,
      partitionAssigners: [partitionAssigner],
      sessionTimeout: sessionMs,
      rebalanceTimeout: rebalanceMs,
      heartbeatInterval: 2000,
      maxWaitTimeInMs: 500,
      maxBytesPerPartition: 2 ** 20,
      maxBytes: 8 * 2 ** 20,
      retry,
    });
  }

  /** Resolves when the consumer has joined its group; it commits nothing. */
  async #run(
    consumer: Consumer,
    what: string,
    topics: string[],
    failed: (error: SwaError) => void,
    eachBatch: (payload: EachBatchPayload) => Promise<void>,
  ): Promise<void> {
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) failed(this.#unavailable(what, payload.error));
    });
    try {
      await this.#do(what, async () => {
        await consumer.connect();
        await consumer.subscribe({ topics, fromBeginning: true });
        await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
      });
    } catch (error) {
      await consumer.disconnect();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
    await (await this.#producer?.catch(() => undefined))?.disconnect();
  }

  #connectedProducer(): Promise<Producer> {
    this.#producer ??= this.#do('reach', async () => {
      const producer = this.#kafka.producer({
        idempotent: false,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await producer.connect();
      return producer;
    }).catch((error: unknown) => {
      this.#producer = undefined;
      throw error;
    });
    return this.#producer;
  }

  async #do<T>(what: string, body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof SwaError) throw error;
      throw this.#unavailable(what, error);
    }
  }

  #unavailable(what: string, cause: unknown): SwaError {
    return new SwaError(
      'log.unavailable',
      `cannot ${what} Kafka at ${this.#brokers.join(', ')}: ${messageOf(cause)}`,
      {
        cause,
        retryable: true,
        hint: 'see that the brokers run and that the SWA_KAFKA_* keys are right',
      },
    );
  }
}

async function deliver(
  payload: EachBatchPayload,
  subscriber: Subscriber,
  seek: (position: Position) => void,
): Promise<void> {
  const { batch } = payload;
  if (!payload.isRunning() || payload.isStale()) return;
  const { topic, partition, messages } = batch;
  const fetched = {
    topic,
    partition,
    firstOffset: offsetOf(batch.firstOffset() ?? batch.lastOffset()),
    nextOffset: offsetOf(batch.lastOffset()) + 1,
    offsets: messages.map((message) => offsetOf(message.offset)),
    values: messages.map((message) => message.value ?? Buffer.alloc(0)),
  };
  if (await hand(fetched, subscriber, seek, () => payload.heartbeat()))
    payload.resolveOffset(batch.lastOffset());
}

/** True when the batch was taken; else the position is set anew. */
async function hand(
  batch: KafkaBatch,
  subscriber: Subscriber,
  seek: (position: Position) => void,
  alive: () => Promise<void>,
): Promise<boolean> {
  if ((await subscriber.take(batch, alive)) === 'taken') return true;
  const own = subscriber
    .positions()
    .find(({ topic, partition }) => topic === batch.topic && partition === batch.partition);
  if (own !== undefined) seek(own);
  return false;
}

/** kafkajs types each mechanism apart. */
function saslOf({ mechanism, username, password }: NonNullable<KafkaOptions['sasl']>): SASLOptions {
  if (mechanism === 'plain') return { mechanism, username, password };
  if (mechanism === 'scram-sha-256') return { mechanism, username, password };
  return { mechanism, username, password };
}

function offsetOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`offset ${text} is beyond what we can count`);
  return value;
}
