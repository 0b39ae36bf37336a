/**
 * A Kafka client based on kafkajs, which only client, connection, consumers, assigners and batch-codecs of this folder
 * use. It offers what the log needs: topics, their settings and offsets, sending, a subscription to given partitions,
 * and membership in a group that shares them. Offsets are decimal strings in kafkajs and checked numbers here.
 */
import kafkajs, { type Admin, type Producer } from 'kafkajs';
import { asBuffer } from '../../lib/memory/as-buffer.js';
import { SwaError } from '../../lib/errors/errors.js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupRules, TopicPartition } from './assigners.js';
import { KafkaConnection, type KafkaOptions } from './connection.js';
import { joinGroup, offsetOf, subscribe } from './consumers.js';

export type { KafkaOptions, SaslMechanism } from './connection.js';

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly config: Readonly<Record<string, string>>;
}

/** Offsets of one partition: the first retained one, and the next after the last durable one. */
export interface OffsetRange {
  readonly low: number;
  readonly high: number;
  /** The next offset after the last record that readers get; lower than `high` while a transaction is open. */
  readonly stable: number;
}

export interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: Uint8Array;
}

/** The records of one partition from one fetch. */
export interface KafkaBatch {
  readonly topic: string;
  readonly partition: number;
  /** First offset in the fetch, control records included. */
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly offsets: readonly number[];
  readonly values: readonly Uint8Array[];
  /** Time of the fetch request or earlier, by `performance.now`. */
  readonly requestedAt: number;
}

export interface Position extends TopicPartition {
  readonly offset: number;
}

export interface Subscriber {
  /** The client has joined or rejoined; what it reads from now on may be another log. */
  joined(): void;
  /** Returns the position of every partition of the subscription; called after every `joined`. */
  positions(): readonly Position[];
  /** Returns positions to seek to before the next fetch. */
  fetching(): readonly Position[];
  /**
   * Takes a batch; the next one is delivered when the promise resolves. Call `alive` every few seconds while it takes
   * time. 'again' means that the batch was not the expected one, and the position is set again.
   */
  take(batch: KafkaBatch, alive: () => Promise<void>): Promise<'taken' | 'again'>;
  /** The subscription has ended for good. */
  failed(error: SwaError): void;
}

export interface Subscription {
  stop(): Promise<void>;
}

/** A member of a group that shares the partitions of some topics. All members must give the same topics and rules. */
export interface Member {
  readonly topics: readonly string[];
  readonly rules: GroupRules;
  /** The partitions assigned to this member from now on. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** The group has confirmed this membership (heartbeat). */
  heard(): void;
  /** The membership has ended for good. */
  failed(error: SwaError): void;
}

export interface Membership {
  /** Leaves the group; its partitions are reassigned at once. */
  leave(): Promise<void>;
}

/** A group member as the broker reports it. */
export interface GroupMember {
  readonly id: string;
  readonly clientId: string;
  readonly host: string;
}

/** Number of times a missing topic is looked for: brokers may not know of a new topic at once. */
const vanishedLooks = 12;
const lookEveryMs = 250;

export class KafkaClient {
  readonly brokers: readonly string[];
  readonly #connection: KafkaConnection;
  readonly #admin: Admin;
  readonly #durable: Admin;
  /** All topics asked about so far: after one of them is deleted, kafkajs fails for the others too. */
  readonly #met = new Set<string>();
  #producer: Promise<Producer> | undefined;
  #closed = false;

  private constructor(options: KafkaOptions) {
    this.brokers = options.brokers;
    this.#connection = new KafkaConnection(options);
    this.#admin = this.#connection.kafka.admin();
    this.#durable = this.#connection.durable.admin();
  }

  /** Connects. Throws `log.unavailable` (retryable) if no broker answers or the login fails. */
  static async connect(options: KafkaOptions): Promise<KafkaClient> {
    const client = new KafkaClient(options);
    await client.#connection.attempt('reach', async () => {
      await client.#admin.connect();
      await client.#durable.connect();
    });
    return client;
  }

  topics(): Promise<readonly string[]> {
    return this.#connection.attempt('ask for the topics of', () => this.#admin.listTopics());
  }

  /** Throws `log.mismatch` naming a topic that is still missing after some seconds. */
  async requireTopics(topics: readonly string[]): Promise<void> {
    for (let look = 0; ; look++) {
      const existing = await this.topics();
      const missing = topics.find((name) => !existing.includes(name));
      if (missing === undefined) return;
      if (this.#closed)
        throw new SwaError('log.closed', `cannot look for topic ${missing}: the log is closed`);
      if (look === vanishedLooks) {
        throw new SwaError('log.mismatch', `topic ${missing} of the log is gone: it was deleted or renamed`, {
          hint: 'nothing was created; see "A topic that was deleted" in docs/operations.md',
        });
      }
      await sleep(lookEveryMs);
    }
  }

  /** Creates the missing topics and waits until all have leaders. Other processes may do the same at the same time. */
  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await this.#connection.attempt('create topics at', async () => {
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
        if (attempt === 100) throw new Error('the topics have no leaders');
        await sleep(100);
      }
    });
  }

  async #haveLeaders(topics: readonly NewTopic[]): Promise<boolean> {
    try {
      const found = await this.#admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
      return found.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    } catch (error) {
      if (error instanceof kafkajs.KafkaJSProtocolError && error.retriable) return false; // not all brokers know the topics yet
      throw error;
    }
  }

  /**
   * Returns the ranges by partition number, with `stable` equal to `high`. Throws `log.mismatch` if the topic is gone.
   */
  durableOffsets(topic: string): Promise<OffsetRange[]> {
    return this.#offsets(this.#durable, topic);
  }

  /** Returns the ranges by partition number. Throws `log.mismatch` if the topic is gone. */
  async offsets(topic: string): Promise<OffsetRange[]> {
    const stable = await this.#offsets(this.#admin, topic); // read first, so that it is never beyond the durable end read next
    const durable = await this.#offsets(this.#durable, topic);
    return durable.map((range, i) => ({ ...range, stable: stable[i]?.high ?? 0 }));
  }

  async #offsets(admin: Admin, topic: string): Promise<OffsetRange[]> {
    this.#met.add(topic);
    try {
      return await this.#connection.attempt(`ask for the offsets of ${topic} at`, async () => {
        const found = await admin.fetchTopicOffsets(topic);
        const ordered = found.toSorted((a, b) => a.partition - b.partition);
        return ordered.map((range) => {
          const high = offsetOf(range.high);
          return { low: offsetOf(range.low), high, stable: high };
        });
      });
    } catch (error) {
      await this.requireTopics([...this.#met]);
      throw error;
    }
  }

  topicConfig(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#connection.attempt(`ask for the configuration of ${topic} at`, async () => {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [...names] }],
      });
      const entries = resources.flatMap((resource) => resource.configEntries);
      return new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    });
  }

  /**
   * Returns the members of a group; undefined for a group of the newer protocol (KIP-848), which kafkajs cannot list.
   */
  groupMembers(group: string): Promise<readonly GroupMember[] | undefined> {
    return this.#connection.attempt(`ask for the members of ${group} at`, async () => {
      const [found] = (await this.#admin.describeGroups([group])).groups;
      if (found === undefined || found.state === 'Dead') return undefined;
      return found.members.map((member) => ({
        id: member.memberId,
        clientId: member.clientId,
        host: member.clientHost.replace(/^\//, ''),
      }));
    });
  }

  /**
   * Resolves when all in-sync replicas have all messages, with the position of the first message of each partition.
   * Call it once at a time to keep the order of messages.
   */
  async send(messages: readonly Message[]): Promise<readonly Position[]> {
    const producer = await this.#connectedProducer();
    const topics = [...new Set(messages.map((message) => message.topic))];
    return this.#connection.attempt('send to', async () => {
      const sent = await producer.sendBatch({
        acks: -1,
        topicMessages: topics.map((topic) => ({
          topic,
          messages: messages.flatMap((message) =>
            message.topic === topic ? { ...message, value: asBuffer(message.value) } : [],
          ),
        })),
      });
      return sent.map(({ topicName, partition, baseOffset }) => ({
        topic: topicName,
        partition,
        offset: offsetOf(baseOffset ?? '0'),
      }));
    });
  }

  /** Delivers records to `subscriber`, across broker restarts, until stopped. */
  subscribe(group: string, subscriber: Subscriber): Promise<Subscription> {
    return subscribe(this.#connection, group, subscriber);
  }

  /** Joins the group, or creates it, and stays in it across broker restarts until it leaves. Reads no records. */
  join(group: string, member: Member): Promise<Membership> {
    return joinGroup(this.#connection, group, member);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#disconnect();
    // Attempts still in progress may connect again: disconnect once more when they have ended.
    this.#connection
      .settle()
      .then(() => this.#disconnect())
      .catch(() => undefined);
  }

  async #disconnect(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#durable.disconnect()]);
    await (await this.#producer?.catch(() => undefined))?.disconnect();
  }

  #connectedProducer(): Promise<Producer> {
    this.#producer ??= this.#connection
      .attempt('reach', async () => {
        const producer = this.#connection.kafka.producer({
          idempotent: false,
          allowAutoTopicCreation: false,
          createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        });
        await producer.connect();
        return producer;
      })
      .catch((error: unknown) => {
        this.#producer = undefined;
        throw error;
      });
    return this.#producer;
  }
}
