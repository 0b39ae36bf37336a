/**
 * kafkajs consumers. A subscription is the only member of its own consumer group, because kafkajs has no manual
 * assignment; its assigner gives it exactly its partitions. Nothing is committed to a group: after every join the
 * caller's positions are set again.
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
 * Time until a group removes a member that has crashed, or that it remembers after a broker's crash. Short, because
 * removal is harmless: the client rejoins, and we keep our own positions.
 */
const sessionMs = 10_000;
const rebalanceMs = 10_000;
/** The longest time a member can be in a group without hearing from it: session timeout, a rebalance, and a reserve. */
export const longestSilenceMs = sessionMs + 2 * rebalanceMs;
/** A broker that received no request for this long has left the cluster. */
const goneMs = 10 * 60_000;
/** Maximum size of a fetch response; a single record batch may be larger, up to the topic's max.message.bytes. */
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
  const requests = new Map<string, number>(); // time of the last request to each broker
  consumer.on(consumer.events.FETCH_START, ({ payload }) => {
    const now = performance.now();
    for (const [node, at] of requests) if (now - at > goneMs) requests.delete(node);
    requests.set(String(payload.nodeId), now);
    subscriber.fetching().forEach(seek); // kafkajs reads new positions after this event
  });
  const requestedAt = (): number => Math.min(...requests.values());
  // kafkajs does not deliver a fetch that holds only control records and records of aborted transactions; it only emits
  // this event.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    const { topic, partition, batchSize, firstOffset, lastOffset } = payload;
    const first: string | null = firstOffset; // null if everything is before the position
    if (batchSize > 0 || first === null) return;
    const range = { firstOffset: offsetOf(first), nextOffset: offsetOf(lastOffset) + 1 };
    const empty = { topic, partition, ...range, offsets: [], values: [], requestedAt: requestedAt() };
    // On failure (the consumer has stopped) the next subscription sets the position anyway.
    offer(empty, subscriber, seek, () => Promise.resolve()).catch(() => undefined);
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

/** If kafkajs is restarting a consumer, it loses a disconnect, so `end` repeats it until the consumer stops. */
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

/** Runs the consumer without committing offsets. Resolves when it has joined its group. */
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

/** Returns the error that no retry can fix: our own rejection of a batch, or a response that kafkajs cannot decode. */
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
  if (await offer(fetched, subscriber, seek, () => payload.heartbeat()))
    payload.resolveOffset(batch.lastOffset());
}

/** Returns true if the subscriber took the batch; otherwise sets the position again. */
async function offer(
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
 * Returns the messages' values as views, which keep the whole response in memory. They are copied if most of the
 * response is keys, headers or values that are too large.
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
