/**
 * A share of the partitions by Kafka's consumer group protocol: the broker knows who is alive, one member deals the
 * partitions out among all. The group is for membership alone: nothing is read through it and nothing committed to it.
 */
import { z } from 'zod';
import { SwaError } from '../../errors.js';
import { parsePartitionName, type PartitionName, type Share } from '../log.js';
import { dealOut } from '../share.js';
import type { GroupRules, TopicPartition } from './assigners.js';
import type { Member, Membership } from './client.js';

export interface KafkaShareOptions {
  /** All there are, in the log's order. */
  readonly partitions: readonly PartitionName[];
  /** The broker's name for a partition's topic, and back. */
  topicOf(name: PartitionName): string;
  nameOf(topic: string, partition: number): PartitionName;
  /** Joins the group. */
  join(member: Member): Promise<Membership>;
  /**
   * Who has heard nothing from the group for so long takes it that the others were given its partitions. Longer than
   * the group takes to put a member out and to deal anew.
   */
  readonly silentMs: number;
}

const introductionSchema = z.array(z.string());
const none: readonly PartitionName[] = [];

export class KafkaShare implements Share, Member {
  readonly kind = 'moving';
  readonly topics: readonly string[];
  readonly rules: GroupRules;
  readonly #options: KafkaShareOptions;
  #ours = none;
  #heardAt = performance.now();
  #failure: SwaError | undefined;
  #membership: Membership | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #watching: Promise<void> | undefined;

  private constructor(options: KafkaShareOptions) {
    this.#options = options;
    this.topics = [...new Set(options.partitions.map((name) => options.topicOf(name)))];
    this.rules = {
      name: 'swa-deal',
      introduction: () => JSON.stringify(this.#ours),
      assign: (introductions) => this.#assign(introductions),
    };
  }

  /** Resolves when this process is a member. Throws `log.unavailable`. */
  static async join(options: KafkaShareOptions): Promise<KafkaShare> {
    const share = new KafkaShare(options);
    share.#membership = await options.join(share);
    share.#watchdog = setInterval(() => share.#beginWatch(), options.silentMs / 4).unref();
    return share;
  }

  partitions(): readonly PartitionName[] {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#isSilent() ? none : this.#ours;
  }

  async leave(): Promise<void> {
    clearInterval(this.#watchdog);
    await this.#watching;
    await this.#membership?.leave();
  }

  assigned(partitions: readonly TopicPartition[]): void {
    this.#ours = partitions.map(({ topic, partition }) => this.#options.nameOf(topic, partition));
    this.heard();
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  failed(cause: SwaError): void {
    this.#failure ??= new SwaError('log.unavailable', cause.message, {
      cause,
      hint: 'start this process again; the positions are kept',
    });
  }

  #beginWatch(): void {
    this.#watching ??= this.#watch().finally(() => void (this.#watching = undefined));
  }

  /** A client that has fallen silent is not waited for: another one joins in its place. */
  async #watch(): Promise<void> {
    if (!this.#isSilent()) return;
    try {
      await this.#membership?.leave();
      this.#membership = await this.#options.join(this);
    } catch (error) {
      if (!(error instanceof SwaError)) throw error; // the next look tries again
    }
  }

  #isSilent(): boolean {
    return performance.now() - this.#heardAt > this.#options.silentMs;
  }

  #assign(introductions: ReadonlyMap<string, string>): Map<string, TopicPartition[]> {
    const { partitions } = this.#options;
    const had = new Map([...introductions].map(([member, text]) => [member, this.#hadBy(text)]));
    const dealt = dealOut(partitions, had);
    const places = (names: readonly PartitionName[]): TopicPartition[] =>
      names.map((name) => ({
        topic: this.#options.topicOf(name),
        partition: parsePartitionName(name).partition,
      }));
    return new Map([...dealt].map(([member, names]) => [member, places(names)]));
  }

  #hadBy(introduction: string): PartitionName[] {
    const told = introductionSchema.parse(JSON.parse(introduction)); // by a member with the same rules
    return this.#options.partitions.filter((name) => told.includes(name));
  }
}
