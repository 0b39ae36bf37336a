/**
 * Identifies the log in the topics. Topic `<prefix>log-id` is compacted and holds the log's id and number of
 * partitions. Several processes may create it at once: each writes its id under its own key, and the record with the
 * lowest offset counts, which compaction never removes. The id is written after all topics exist, so if there is an id,
 * a missing topic was deleted.
 *
 * Topics are created only if neither they nor our data directory have an id.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';
import { checkLogId, namesOf } from '../cut.js';
import { fingerprintOf, type LastRecords } from '../last-records.js';
import { parsePartitionName, type LogId, type PartitionName } from '../log.js';
import type { KafkaClient, OffsetRange, Position, Subscription } from './client.js';
import { topicRecreated } from './fenced-reader.js';
import type { KafkaMemory } from './memory.js';
import { factTopics, idTopic, topicsToMake, type TopicOptions } from './topics.js';

export interface IdentityOptions extends TopicOptions {
  /** What our data directory knows of the log; absent if there is no data directory. */
  readonly memory?: KafkaMemory;
}

const identitySchema = z.object({ logId: z.uuid(), partitions: z.int().min(1) });

/**
 * Creates the topics, or checks that they are the known ones. Returns the log's id. Throws `log.mismatch`,
 * `config.invalid` (partitions), `log.unavailable`.
 */
export async function identify(client: KafkaClient, options: IdentityOptions): Promise<LogId> {
  const known = options.memory?.logId();
  await makeUnlessKnown(client, options, known);
  await client.requireTopics(factTopics(options));
  const topic = idTopic(options);
  const records = known === undefined ? {} : (options.memory?.lastRecords(known) ?? {});
  const places = await placesOf(client, options, records);
  const [first, ...seen] = await readEach(client, [{ topic, partition: 0, offset: 0 }, ...places.values()]);
  const identity = validJson(identitySchema, Buffer.from(first?.value ?? []).toString());
  if (identity === undefined) throw new SwaError('log.mismatch', `topic ${topic} does not hold a log's id`);
  const id = identity.logId as LogId; // branding: this file defines Kafka's log ids
  if (known !== undefined) checkLogId(id, known, 'the data directory');
  await checkPartitions(client, options, identity.partitions);
  for (const [i, name] of [...places.keys()].entries()) {
    const [at, expected] = [seen[i], records[name]];
    if (expected === undefined) continue;
    if (
      at?.offset !== expected.offset ||
      at.value === undefined ||
      fingerprintOf(at.value) !== expected.sha256
    )
      throw topicRecreated(name, expected.offset);
  }
  options.memory?.keepLogId(id);
  return id;
}

async function makeUnlessKnown(
  client: KafkaClient,
  options: IdentityOptions,
  known: LogId | undefined,
): Promise<void> {
  const topic = idTopic(options);
  if (known !== undefined) {
    await client.requireTopics([topic]);
    if (!(await isEmpty(client, topic))) return;
    throw new SwaError(
      'log.mismatch',
      `topic ${topic} is empty, but the data directory belongs to log ${known}`,
      {
        hint: 'nothing was created; see "A topic that was deleted" in docs/operations.md',
      },
    );
  }
  if ((await client.topics()).includes(topic) && !(await isEmpty(client, topic))) return;
  await client.createTopics(topicsToMake(options));
  if (!(await isEmpty(client, topic))) return;
  const key = randomUUID();
  const value = Buffer.from(JSON.stringify({ logId: key, partitions: options.partitions }));
  await client.send([{ topic, partition: 0, key, value }]);
}

async function isEmpty(client: KafkaClient, topic: string): Promise<boolean> {
  const [range] = await client.durableOffsets(topic);
  return range === undefined || range.high === range.low;
}

/**
 * Returns the positions of the known records that the broker still has. Throws `log.mismatch` if the log ends before
 * one.
 */
async function placesOf(
  client: KafkaClient,
  options: TopicOptions,
  records: LastRecords,
): Promise<ReadonlyMap<PartitionName, Position>> {
  const places = new Map<PartitionName, Position>();
  const ranges = new Map<string, readonly OffsetRange[]>();
  for (const name of namesOf(records as Record<PartitionName, never>)) {
    const at = records[name]?.offset ?? 0;
    const { topic: ours, partition } = parsePartitionName(name);
    const topic = `${options.topicPrefix}${ours}`;
    const found = ranges.get(topic) ?? (await client.durableOffsets(topic));
    ranges.set(topic, found);
    const range = found[partition];
    if (range === undefined || range.high <= at) throw topicRecreated(name, at);
    if (range.low <= at) places.set(name, { topic, partition, offset: at });
  }
  return places;
}

/**
 * Checks the number of partitions, which is fixed because a key must stay in its partition. A topic may have more;
 * those are not ours.
 */
async function checkPartitions(client: KafkaClient, options: TopicOptions, made: number): Promise<void> {
  if (made !== options.partitions) {
    throw new SwaError(
      'config.invalid',
      `SWA_PARTITIONS is ${options.partitions}, but the log was made with ${made}`,
      { hint: `a key must stay in its partition: set SWA_PARTITIONS to ${made}` },
    );
  }
  const [pageviews = ''] = factTopics(options);
  const found = (await client.durableOffsets(pageviews)).length;
  if (found >= made) return;
  throw new SwaError(
    'log.mismatch',
    `topic ${pageviews} has ${found} partitions, but the log was made with ${made}`,
    {
      hint: 'the topic was deleted and recreated: see "A topic that was deleted" in docs/operations.md',
    },
  );
}

interface Found {
  readonly offset: number;
  readonly value: Uint8Array | undefined;
}

/**
 * Reads the first record at or after each position, without a value if the offset holds no record. Waits for a record
 * at the first position. Throws `log.unavailable` (retryable) after 60 s.
 */
async function readEach(client: KafkaClient, positions: readonly Position[]): Promise<(Found | undefined)[]> {
  let subscribed: Promise<Subscription> | undefined;
  const patience = AbortSignal.timeout(60_000);
  const found = positions.map((): Found | undefined => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      patience.addEventListener('abort', () => {
        const { topic } = positions[found.findIndex((one) => one === undefined)] ?? { topic: 'a topic' };
        reject(
          new SwaError(
            'log.unavailable',
            `cannot read the id of the log: topic ${topic} returned no record`,
            {
              retryable: true,
            },
          ),
        );
      });
      subscribed = client.subscribe(`${positions[0]?.topic}-reader`, {
        joined: () => undefined,
        positions: () => positions,
        fetching: () => [],
        take: ({ topic, partition, offsets, values, nextOffset }) => {
          const i = positions.findIndex((one) => one.topic === topic && one.partition === partition);
          const start = positions[i]?.offset ?? 0;
          const at = offsets.findIndex((own) => own >= start);
          if (at >= 0) found[i] ??= { offset: offsets[at] ?? start, value: values[at] };
          else if (i > 0 && nextOffset > start) found[i] ??= { offset: start, value: undefined };
          if (found.every((one) => one !== undefined)) resolve();
          return Promise.resolve('taken');
        },
        failed: reject,
      });
      subscribed.catch(reject);
    });
    return found;
  } finally {
    await (await subscribed?.catch(() => undefined))?.stop();
  }
}
