/**
 * A share of the partitions based on Kafka's consumer group protocol: the broker tracks live members, and one member
 * assigns the partitions. The group is used for membership only: no records are read and no offsets committed.
 *
 * Members with different data directories do not share: all partitions are assigned within each directory's members.
 */
import { z } from 'zod';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';
import { parsePartitionName, type PartitionName, type Share } from '../log.js';
import { assignPartitions } from '../share.js';
import type { GroupRules, TopicPartition } from './assigners.js';
import type { GroupMember, Member, Membership } from './client.js';

export interface KafkaShareOptions {
  readonly group: string;
  /** Broker address for the command that lists the members. */
  readonly broker: string;
  /** Members with the same home share the partitions. */
  readonly home: string;
  /** Number of members that own each partition. */
  readonly replicas: number;
  /** All partitions in the log's order. */
  readonly partitions: readonly PartitionName[];
  /** The broker's name for a partition's topic, and back. */
  topicOf(name: PartitionName): string;
  nameOf(topic: string, partition: number): PartitionName;
  /** Joins the group. */
  join(member: Member): Promise<Membership>;
  /** Returns the current members; undefined if the client cannot ask. */
  members(): Promise<readonly GroupMember[] | undefined>;
  /**
   * A member without contact for this long assumes that its partitions were given to others. Must be longer than the
   * group takes to remove a member and to rebalance.
   */
  readonly silentMs: number;
}

const introductionSchema = z.object({ home: z.string(), had: z.array(z.string()) });
const none: readonly PartitionName[] = [];

export class KafkaShare implements Share, Member {
  readonly kind = 'moving';
  readonly topics: readonly string[];
  readonly rules: GroupRules;
  readonly #options: KafkaShareOptions;
  #ours = none;
  #heardAt = performance.now();
  #trouble: SwaError | undefined;
  #membership: Membership | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #watching: Promise<void> | undefined;

  private constructor(options: KafkaShareOptions) {
    this.#options = options;
    this.topics = [...new Set(options.partitions.map((name) => options.topicOf(name)))];
    this.rules = {
      name: 'swa-deal-2',
      introduction: () => JSON.stringify({ home: options.home, had: this.#ours }),
      assign: (introductions) => this.#assign(introductions),
    };
  }

  /**
   * Joins the group. Resolves when this process is a member, or was rejected and will retry. Throws `log.unavailable`.
   */
  static async join(options: KafkaShareOptions): Promise<KafkaShare> {
    const share = new KafkaShare(options);
    share.#membership = await options.join(share);
    share.#watchdog = setInterval(() => share.#beginWatch(), options.silentMs / 4).unref();
    return share;
  }

  partitions(): readonly PartitionName[] {
    return this.#trouble !== undefined || this.#isSilent() ? none : this.#ours;
  }

  trouble(): SwaError | undefined {
    return this.#trouble;
  }

  async leave(): Promise<void> {
    clearInterval(this.#watchdog);
    await this.#watching;
    await this.#membership?.leave();
  }

  assigned(partitions: readonly TopicPartition[]): void {
    this.#ours = partitions.map(({ topic, partition }) => this.#options.nameOf(topic, partition));
    this.#trouble = undefined;
    this.heard();
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  failed(cause: SwaError): void {
    this.#trouble = this.#refusal(cause, '');
    void this.#nameMembers(cause);
  }

  /** Adds the group's members to the error: those of a group that rejects us are not our workers. */
  async #nameMembers(cause: SwaError): Promise<void> {
    let who: string;
    try {
      const members = await this.#options.members();
      who = members === undefined ? 'a consumer of the newer group protocol (KIP-848)' : describe(members);
    } catch (error) {
      who = messageOf(error);
    }
    if (this.#trouble?.cause === cause) this.#trouble = this.#refusal(cause, `; in the group now: ${who}`);
  }

  #refusal(cause: SwaError, who: string): SwaError {
    const { group, broker } = this.#options;
    return new SwaError('log.unavailable', `${cause.message}${who}`, {
      cause,
      hint:
        'if these are not speed workers of this system, stop them or give them another group (`kafka-consumer-groups.sh ' +
        `--bootstrap-server ${broker} --describe --members --group ${group}\` lists them); it is tried again`,
    });
  }

  #beginWatch(): void {
    this.#watching ??= this.#watch().finally(() => void (this.#watching = undefined));
  }

  /** Leaves and joins again if the client is silent or was rejected. */
  async #watch(): Promise<void> {
    if (this.#trouble === undefined && !this.#isSilent()) return;
    try {
      await this.#membership?.leave();
      this.#membership = await this.#options.join(this);
    } catch (error) {
      if (!(error instanceof SwaError)) throw error; // the next check tries again
    }
  }

  #isSilent(): boolean {
    return performance.now() - this.#heardAt > this.#options.silentMs;
  }

  #assign(introductions: ReadonlyMap<string, string>): Map<string, TopicPartition[]> {
    const { partitions, replicas } = this.#options;
    const homes = new Map<string, Map<string, readonly PartitionName[]>>();
    for (const [member, text] of introductions) {
      const introduction = validJson(introductionSchema, text);
      if (introduction === undefined) continue; // not one of ours
      const had = partitions.filter((name) => introduction.had.includes(name));
      homes.set(introduction.home, (homes.get(introduction.home) ?? new Map()).set(member, had));
    }
    const places = (names: readonly PartitionName[]): TopicPartition[] =>
      names.map((name) => ({
        topic: this.#options.topicOf(name),
        partition: parsePartitionName(name).partition,
      }));
    const assigned = [...homes.values()].flatMap((had) => [...assignPartitions(partitions, had, replicas)]);
    return new Map(assigned.map(([member, names]) => [member, places(names)]));
  }
}

function describe(members: readonly GroupMember[]): string {
  const shown = members
    .slice(0, 5)
    .map(({ id, clientId, host }) => `client '${clientId}' at ${host} (${id})`);
  return [...shown, ...(members.length > 5 ? [`${members.length - 5} more`] : [])].join(', ') || 'no members';
}
