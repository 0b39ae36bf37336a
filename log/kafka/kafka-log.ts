/**
 * The log on Kafka, in topics `<prefix>pageviews`, `<prefix>equivs` and `<prefix>log-id`. identity.ts finds out which
 * log the topics hold; topics.ts creates and checks their settings.
 */
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { GroupCommit } from '../group-commit.js';
import type { LastRecords } from '../last-records.js';
import {
  offset,
  parsePartitionName,
  type LogHealth,
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
} from '../log.js';
import { OpenReaders } from '../open-readers.js';
import { partitionsOf } from '../partitioner.js';
import { writePieces, type WritePiece } from '../write-pieces.js';
import { KafkaClient, type KafkaOptions, type Message, type OffsetRange } from './client.js';
import { longestSilenceMs } from './consumers.js';
import { FencedReader, type Source } from './fenced-reader.js';
import { identify, type IdentityOptions } from './identity.js';
import { KafkaShare } from './kafka-share.js';
import { SetAside } from './set-aside.js';
import { TopicWatch, checkTopics, commitBytes } from './topics.js';

export interface KafkaLogOptions extends KafkaOptions, IdentityOptions {
  /** See FenceOptions. */
  readonly silentMs?: number;
}

/** Limits of a reader's buffer. */
const buffered = { bufferedRecords: 50_000, bufferedBytes: 64 * 2 ** 20 } as const;
/** The key (at most 3 bytes per character) and Kafka's own fields. */
const overheadBytes = ({ key }: NewRecord): number => 3 * key.length + 40;

/**
 * Connects to the brokers and creates the topics of a new log. Throws `log.unavailable`, `log.mismatch`, and
 * `config.invalid` for a wrong number of partitions or a topic whose settings lose facts.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<LogWriter> {
  const client = await KafkaClient.connect(options);
  try {
    const id = await identify(client, options);
    const settings = new TopicWatch(client, options, await checkTopics(client, options));
    return new KafkaLog(client, id, options, settings);
  } catch (error) {
    await client.close();
    throw error;
  }
}

class KafkaLog implements LogWriter {
  readonly id: LogId;
  readonly partitions: readonly PartitionName[];
  readonly #client: KafkaClient;
  readonly #options: KafkaLogOptions;
  readonly #commits: GroupCommit<WritePiece>;
  readonly #readers = new OpenReaders();
  readonly #setAside = new SetAside();
  readonly #settings: TopicWatch;
  /** The highest known end of each partition. */
  readonly #ends = new Map<PartitionName, number>();
  #unreadRecords = 0;
  /** The error by which we learned that this is no longer the log that was opened. */
  #lost: SwaError | undefined;
  #closed = false;

  constructor(client: KafkaClient, id: LogId, options: KafkaLogOptions, settings: TopicWatch) {
    this.id = id;
    this.#settings = settings;
    this.partitions = partitionsOf(options.partitions);
    this.#client = client;
    this.#options = options;
    this.#commits = new GroupCommit({
      commit: (group) => this.#send(group.flatMap((piece) => this.#messages(piece))),
      commitBytes,
      waitingBytes: 64 * 2 ** 20,
      hint: 'check that the brokers run; the log resumes by itself',
    });
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    this.#checkOpen();
    const pieces = writePieces(records, {
      pageviewPartitions: this.#options.partitions,
      overheadBytes,
      pieceBytes: commitBytes,
    });
    await Promise.all(pieces.map((piece) => this.#commits.add(piece)));
  }

  /** Does nothing: the broker owns retention. */
  async trim(): Promise<void> {
    this.#checkOpen();
  }

  async earliest(): Promise<Offsets> {
    return this.#byName(await this.#ranges('durable'), 'low');
  }

  async latest(): Promise<Offsets> {
    return this.#byName(await this.#ranges('durable'), 'high');
  }

  async readable(): Promise<Offsets> {
    return this.#byName(await this.#ranges('readable'), 'stable');
  }

  unreadRecords(): number {
    return this.#unreadRecords;
  }

  async acceptUnread(): Promise<number> {
    await this.latest();
    const accepted = this.#unreadRecords;
    const { memory } = this.#options;
    if (accepted > 0) memory?.acceptUnread(this.id, memory.acceptedUnread(this.id) + accepted);
    return accepted;
  }

  async health(): Promise<LogHealth> {
    const { ours, others } = await this.#ranges('readable');
    const heldBackRecords = sum(ours.map(({ stable, high }) => Math.max(0, high - stable)));
    const warnings = [...(await this.#settings.warnings()), ...this.#setAside.warnings()];
    if (others.length > 0) warnings.push(this.#addedPartitions(others.length));
    if (heldBackRecords > 0) warnings.push(this.#heldBack());
    return {
      warnings,
      unreadRecords: this.#unreadRecords,
      heldBackRecords,
      setAsideRecords: this.#setAside.records,
    };
  }

  stored(records: LastRecords): void {
    const { memory } = this.#options;
    memory?.keepLastRecords(this.id, { ...memory.lastRecords(this.id), ...records });
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
    return this.#readers.add({
      next: (read) => {
        if (this.#lost !== undefined) throw this.#lost;
        return reader.next(read);
      },
      close: () => reader.close(),
    });
  }

  /** Joins the group. Its members share the partitions, however many they are; `members` and `member` are not used. */
  share({ group, among }: Pick<ShareOptions, 'group' | 'among'>): Promise<Share> {
    this.#checkOpen();
    const name = `${this.#options.topicPrefix}${group}`;
    return KafkaShare.join({
      ...this.#names(),
      partitions: this.partitions,
      join: (member) => this.#client.join(name, member),
      members: () => this.#client.groupMembers(name),
      broker: this.#client.brokers[0] ?? '',
      home: among?.home ?? this.#options.memory?.home() ?? '',
      replicas: among?.replicas ?? 1,
      group: name,
      silentMs: longestSilenceMs,
    });
  }

  /** Sends queued appends, then closes readers and connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#commits.drain();
    await this.#readers.closeAll();
    await this.#client.close();
  }

  #source(consumer: string): Source {
    const prefix = this.#options.topicPrefix;
    const names = this.#names();
    return {
      ...names,
      subscribe: (subscriber) =>
        this.#client.subscribe(`${prefix}${consumer}`, {
          ...subscriber,
          take: (batch, alive) => {
            this.#setAside.look(names.nameOf(batch.topic, batch.partition), batch);
            return subscriber.take(batch, alive);
          },
        }),
      offsets: (topic) => this.#client.offsets(topic),
    };
  }

  /** Maps our partitions to the broker's topics and back. */
  #names(): Pick<Source, 'topicOf' | 'nameOf'> {
    const prefix = this.#options.topicPrefix;
    return {
      topicOf: (name) => `${prefix}${parsePartitionName(name).topic}`,
      nameOf: (topic, partition) => {
        const name = this.partitions.find((own) => own === `${topic.slice(prefix.length)}/${partition}`);
        if (name === undefined)
          throw new SwaError('internal.invariant', `${topic}/${partition} is not a partition of this log`);
        return name;
      },
    };
  }

  #messages({ records, partitions }: WritePiece): Message[] {
    const prefix = this.#options.topicPrefix;
    return records.map(({ topic, key, value }, i) => ({
      topic: `${prefix}${topic}`,
      partition: topic === 'pageviews' ? (partitions[i] ?? 0) : 0,
      key,
      value,
    }));
  }

  async #send(messages: readonly Message[]): Promise<void> {
    const before = new Map(this.#ends);
    const { nameOf } = this.#names();
    for (const { topic, partition, offset: first } of await this.#client.send(messages))
      this.#noteEnd(nameOf(topic, partition), first, before);
  }

  /** Returns the offset ranges of our partitions in order, and of partitions added to the topics later. */
  async #ranges(end: 'durable' | 'readable'): Promise<Ranges> {
    this.#checkOpen();
    const before = new Map(this.#ends);
    const ask = (topic: string): Promise<OffsetRange[]> =>
      end === 'durable' ? this.#client.durableOffsets(topic) : this.#client.offsets(topic);
    try {
      const [pageviews = [], equivs = []] = await Promise.all(
        topics.map((topic) => ask(`${this.#options.topicPrefix}${topic}`)),
      );
      const count = this.#options.partitions;
      const ours = [...pageviews.slice(0, count), ...equivs.slice(0, 1)];
      this.partitions.forEach((name, i) => this.#noteEnd(name, ours[i]?.high ?? 0, before));
      const others = [...pageviews.slice(count), ...equivs.slice(1)];
      // Records that retention has deleted since were not read either.
      const unread = sum(others.map(({ high }) => high));
      const accepted = unread === 0 ? 0 : (this.#options.memory?.acceptedUnread(this.id) ?? 0);
      this.#unreadRecords = Math.max(0, unread - accepted);
      return { ours, others };
    } catch (error) {
      if (hasCode(error, 'log.mismatch')) this.#lost ??= error;
      throw error;
    }
  }

  /** Records a partition's end. Throws `log.mismatch` if it is lower than an end known before the request. */
  #noteEnd(name: PartitionName, end: number, before: ReadonlyMap<PartitionName, number>): void {
    const earlier = before.get(name) ?? 0;
    if (end < earlier) {
      this.#lost ??= new SwaError(
        'log.mismatch',
        `${name} ended at offset ${earlier} before, but now ends at ${end}`,
        {
          hint: 'the topic lost records or was recreated: see "A topic that was deleted" in docs/operations.md',
        },
      );
      throw this.#lost;
    }
    this.#ends.set(name, Math.max(end, this.#ends.get(name) ?? 0));
  }

  #byName({ ours }: Ranges, end: keyof OffsetRange): Offsets {
    return Object.fromEntries(this.partitions.map((name, i) => [name, offset(ours[i]?.[end] ?? 0)]));
  }

  #addedPartitions(partitions: number): string {
    const { topicPrefix, partitions: ours } = this.#options;
    return (
      `the topics of the log have ${partitions} more partitions than at its creation; their records are not read ` +
      `(unreadRecords counts them until \`swa accept-unread\` accepts them): send pageviews to partitions 0 to ${ours - 1} of ${topicPrefix}pageviews, and edges ` +
      `to partition 0 of ${topicPrefix}equivs`
    );
  }

  #heldBack(): string {
    const { topicPrefix } = this.#options;
    return (
      'durable records cannot be read until another producer ends its open transaction (heldBackRecords counts them): ' +
      `kafka-transactions.sh --bootstrap-server ${this.#client.brokers[0]} describe-producers ` +
      `--topic ${topicPrefix}pageviews --partition 0 names its producer, and so on for each partition`
    );
  }

  #checkOpen(): void {
    if (this.#closed) throw new SwaError('log.closed', 'cannot use the log: it is closed');
    if (this.#lost !== undefined) throw this.#lost;
  }
}

interface Ranges {
  readonly ours: readonly OffsetRange[];
  readonly others: readonly OffsetRange[];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
