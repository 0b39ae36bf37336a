/**
 * Consumers of kafkajs. A subscription is the only member of a consumer group of its own (kafkajs knows no manual
 * assignment), with an assigner that hands it just its partitions. Nothing is ever committed to a group; after every join
 * the positions are set again from the caller's.
 */
import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload, PartitionAssigner } from 'kafkajs';
import { SwaError } from '../../lib/errors/errors.js';
import { maxRecordBytes } from '../write-pieces.js';
import { standIn } from '../stand-in.js';
import { assigner, exactly } from './assigners.js';
import type { KafkaBatch, Member, Membership, Position, Subscriber, Subscription } from './client.js';
import { retry, type KafkaConnection } from './connection.js';

/**
 * After a broker's crash a group waits this long for the members it remembers, and after a member's crash before it puts
 * it out. Being put out is harmless (we rejoin, and positions are our own), so it is short.
 */
const sessionMs = 10_000;
const rebalanceMs = 10_000;
/** The longest that a member can be in a group and hear nothing: put out, dealt again, and some to spare. */
export const longestSilenceMs = sessionMs + 2 * rebalanceMs;
/** A broker that nothing was asked of for so long is none of the cluster's any more. */
const goneMs = 10 * 60_000;
/** Of a response as it comes; a single record batch may be larger, up to the topic's max.message.bytes. */
const fetchBytes = 8 * 2 ** 20;
const fetchPartitionBytes = 2 ** 20;

export async function subscribe(
  connection: KafkaConnection,
  group: string,
  subscriber: Subscriber,
): Promise<Subscription> {
  const positions = subscriber.positions();
  const topics = [...new Set(positions.map((position) => position.topic))];
  const { consumer, end } = makeConsumer(
    connection,
    `${group}.${randomUUID()}`,
    assigner(exactly(positions)),
  );
  const seek = (position: Position): void => consumer.seek({ ...position, offset: String(position.offset) });
  consumer.on(consumer.events.GROUP_JOIN, () => {
    subscriber.joined();
    subscriber.positions().forEach(seek);
  });
  const requests = new Map<string, number>(); // the last one to each broker
  consumer.on(consumer.events.FETCH_START, ({ payload }) => {
    const now = performance.now();
    for (const [node, at] of requests) if (now - at > goneMs) requests.delete(node);
    requests.set(String(payload.nodeId), now);
    subscriber.fetching().forEach(seek); // in time: kafkajs looks for new positions after this event
  });
  const requestedAt = (): number => Math.min(...requests.values());
  // A fetch of nothing but control records and what aborted transactions left is not handed out, only told of.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    const { topic, partition, batchSize, firstOffset, lastOffset } = payload;
    const first: string | null = firstOffset; // null where all of it lies before the position
    if (batchSize > 0 || first === null) return;
    const range = { firstOffset: offsetOf(first), nextOffset: offsetOf(lastOffset) + 1 };
    const empty = { topic, partition, ...range, offsets: [], values: [], requestedAt: requestedAt() };
    // Should it fail, as when the consumer has stopped, the next subscription sets the position anyway.
    hand(empty, subscriber, seek, () => Promise.resolve()).catch(() => undefined);
  });
  const failed = (error: SwaError): void => subscriber.failed(error);
  await run(connection, { consumer, end }, 'read from', topics, failed, (batch) =>
    deliver(batch, subscriber, seek, requestedAt()),
  );
  return { stop: end };
}

export async function joinGroup(
  connection: KafkaConnection,
  group: string,
  member: Member,
): Promise<Membership> {
  const topics = [...member.topics];
  const { consumer, end } = makeConsumer(connection, group, assigner(member.rules));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    consumer.pause(topics.map((topic) => ({ topic })));
    const assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    member.assigned(assigned);
  });
  consumer.on(consumer.events.HEARTBEAT, () => member.heard());
  const failed = (error: SwaError): void => member.failed(error);
  await run(connection, { consumer, end }, `join ${group} at`, topics, failed, () => Promise.resolve());
  return { leave: () => connection.attempt(`leave ${group} at`, end) };
}

interface EndableConsumer {
  readonly consumer: Consumer;
  readonly end: () => Promise<void>;
}

/** kafkajs forgets that a consumer was disconnected while it restarted itself, so it is told again until it ends. */
function makeConsumer(
  { kafka }: KafkaConnection,
  groupId: string,
  partitionAssigner: PartitionAssigner,
): EndableConsumer {
  let isOver = false;
  const consumer = kafka.consumer({
    groupId,
    partitionAssigners: [partitionAssigner],
    allowAutoTopicCreation: false,
    sessionTimeout: sessionMs,
    rebalanceTimeout: rebalanceMs,
    heartbeatInterval: 2000,
    maxWaitTimeInMs: 500,
    maxBytesPerPartition: fetchPartitionBytes,
    maxBytes: fetchBytes,
    retry: { ...retry, restartOnFailure: () => Promise.resolve(!isOver) },
  });
  consumer.on(consumer.events.FETCH_START, () => {
    if (isOver) consumer.disconnect().catch(() => undefined);
  });
  return {
    consumer,
    end: () => {
      isOver = true;
      return consumer.disconnect();
    },
  };
}

/** Resolves when the consumer has joined its group; it commits nothing. */
async function run(
  connection: KafkaConnection,
  { consumer, end }: EndableConsumer,
  what: string,
  topics: string[],
  failed: (error: SwaError) => void,
  eachBatch: (payload: EachBatchPayload) => Promise<void>,
): Promise<void> {
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    const undecodable = undecodableIn(payload.error);
    if (undecodable !== undefined) failed(undecodable);
    else if (!payload.restart) failed(connection.unavailable(what, payload.error));
  });
  try {
    await connection.attempt(what, async () => {
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
    });
  } catch (error) {
    await end();
    throw error;
  }
}

/** What no further attempt mends: our own refusal of a batch, or a response that kafkajs stumbles over. */
function undecodableIn(error: unknown): SwaError | undefined {
  if (error instanceof SwaError) return error.retryable ? undefined : error;
  if (error instanceof RangeError || error instanceof TypeError)
    return new SwaError('log.corrupt', `cannot decode the response from Kafka: ${error.message}`, {
      cause: error,
    });
  return error instanceof Error && error.cause !== undefined ? undecodableIn(error.cause) : undefined;
}

async function deliver(
  payload: EachBatchPayload,
  subscriber: Subscriber,
  seek: (position: Position) => void,
  requestedAt: number,
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
    values: valuesOf(messages),
    requestedAt,
  };
  if (await hand(fetched, subscriber, seek, () => payload.heartbeat()))
    payload.resolveOffset(batch.lastOffset());
}

/** True when the batch was taken; else the position is set again. */
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

type Messages = EachBatchPayload['batch']['messages'];

/**
 * The messages' values. They lie in the memory of the response that brought them and keep all of it; where foreign keys and
 * headers, or values that are too large, take most of it, they are copied.
 */
function valuesOf(messages: Messages): Buffer[] {
  let keptBytes = 0;
  let otherBytes = 0;
  const values = messages.map(({ key, value, headers }) => {
    const bytes = value?.length ?? 0;
    const isTooLarge = bytes > maxRecordBytes;
    keptBytes += isTooLarge ? 0 : bytes;
    otherBytes += (isTooLarge ? bytes : 0) + (key?.length ?? 0) + headerBytes(headers);
    if (!isTooLarge) return value ?? Buffer.alloc(0);
    return standIn('too large', `a record of ${bytes} bytes, more than ${maxRecordBytes}`);
  });
  return otherBytes > keptBytes ? values.map((value) => Buffer.from(value)) : values;
}

function headerBytes(headers: Messages[number]['headers']): number {
  let bytes = 0;
  for (const name in headers) {
    const value = headers[name];
    bytes += name.length;
    for (const one of Array.isArray(value) ? value : [value]) bytes += one?.length ?? 0;
  }
  return bytes;
}

export function offsetOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`offset ${text} is not an integer below 2^53`);
  return value;
}
