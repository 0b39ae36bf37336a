/**
 * Who gets which partitions of a consumer group, in kafkajs' words: one member of a group is asked to assign them to all.
 * What a member says of itself when it joins travels in its metadata.
 *
 * Brokers since 4.0 let a consumer of the newer group protocol (KIP-848) into a group like ours: they read the members'
 * metadata and deal the partitions out themselves, some of them to the stranger. Our metadata begins with a version that
 * no consumer has, so a broker cannot read it and keeps the stranger out.
 */
import kafkajs, { type PartitionAssigner } from 'kafkajs';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface GroupRules {
  /** Members with other rules cannot be in one group. */
  readonly name: string;
  /** What this member tells of itself; asked whenever it joins. */
  introduction(): string;
  /** What every member gets, by its id, from what each has told. */
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
      const told = new Map<string, string>();
      for (const { memberId, memberMetadata } of members) {
        const introduction = introductionIn(memberMetadata);
        if (introduction !== undefined) told.set(memberId, introduction);
      }
      const assigned = rules.assign(told);
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

/** For a group with one member, who gets these partitions and no others. */
export function exactly(partitions: readonly TopicPartition[]): GroupRules {
  return {
    name: 'exactly-these',
    introduction: () => '',
    assign: (introductions) => new Map([...introductions.keys()].map((member) => [member, partitions])),
  };
}

/** Undefined for a stranger, who gets nothing. */
function introductionIn(metadata: Buffer): string | undefined {
  return metadata.subarray(0, ours.length).equals(ours) ? metadata.toString('utf8', ours.length) : undefined;
}

function encode(partitions: readonly TopicPartition[]): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const { topic, partition } of partitions) (assignment[topic] ??= []).push(partition);
  return MemberAssignment.encode({ version, assignment, userData: Buffer.alloc(0) });
}
