/**
 * Partition assigners for kafkajs: one member of a group assigns the partitions to all. A member's introduction travels
 * in the metadata it sends when it joins.
 *
 * Since version 4.0 brokers let a consumer of the newer group protocol (KIP-848) into a classic group like ours: they
 * parse the members' metadata and assign the partitions themselves, some of them to the foreign consumer. Our metadata
 * begins with a version that no consumer uses, so brokers cannot parse it and keep the foreign consumer out.
 */
import kafkajs, { type PartitionAssigner } from 'kafkajs';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface GroupRules {
  /** Members of one group must have rules of the same name. */
  readonly name: string;
  /** Returns this member's introduction; called whenever it joins. */
  introduction(): string;
  /** Returns every member's partitions by member id, from the members' introductions. */
  assign(introductions: ReadonlyMap<string, string>): ReadonlyMap<string, readonly TopicPartition[]>;
}

const { MemberAssignment } = kafkajs.AssignerProtocol;
const version = 0;
const ours = Buffer.from([0xff, 0xff]);

export function assigner(rules: GroupRules): PartitionAssigner {
  const { name } = rules;
  return () => ({
    name,
    version,
    assign: ({ members }) => {
      const introductions = new Map<string, string>();
      for (const { memberId, memberMetadata } of members) {
        const introduction = introductionIn(memberMetadata);
        if (introduction !== undefined) introductions.set(memberId, introduction);
      }
      const assigned = rules.assign(introductions);
      return Promise.resolve(
        members.map(({ memberId }) => ({ memberId, memberAssignment: encode(assigned.get(memberId) ?? []) })),
      );
    },
    protocol: () => ({
      name,
      metadata: Buffer.concat([ours, Buffer.from(rules.introduction())]),
    }),
  });
}

/** Rules for a group with one member, which gets exactly these partitions. */
export function exactly(partitions: readonly TopicPartition[]): GroupRules {
  return {
    name: 'exactly-these',
    introduction: () => '',
    assign: (introductions) => new Map([...introductions.keys()].map((member) => [member, partitions])),
  };
}

/** Returns a member's introduction; undefined for a foreign consumer, which gets no partitions. */
function introductionIn(metadata: Buffer): string | undefined {
  return metadata.subarray(0, ours.length).equals(ours) ? metadata.toString('utf8', ours.length) : undefined;
}

function encode(partitions: readonly TopicPartition[]): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const { topic, partition } of partitions) (assignment[topic] ??= []).push(partition);
  return MemberAssignment.encode({ version, assignment, userData: Buffer.alloc(0) });
}
