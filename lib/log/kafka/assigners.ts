/**
 * Who gets which partitions of a consumer group, in kafkajs' words: one member of a group is asked to assign them to all.
 * What a member says of itself when it joins travels in its metadata.
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

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;
const version = 0;

/** @param topics those that any member subscribes to */
export function assigner(topics: readonly string[], rules: GroupRules): PartitionAssigner {
  const { name } = rules;
  return () => ({
    name,
    version,
    assign: ({ members }) => {
      const told = members.map(({ memberId, memberMetadata }) => [memberId, introductionIn(memberMetadata)]);
      const assigned = rules.assign(new Map(told as [string, string][]));
      return Promise.resolve(
        members.map(({ memberId }) => ({ memberId, memberAssignment: encode(assigned.get(memberId) ?? []) })),
      );
    },
    protocol: () => ({
      name,
      metadata: MemberMetadata.encode({
        version,
        topics: [...topics],
        userData: Buffer.from(rules.introduction()),
      }),
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

function introductionIn(metadata: Buffer): string {
  return MemberMetadata.decode(metadata)?.userData.toString() ?? '';
}

function encode(partitions: readonly TopicPartition[]): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const { topic, partition } of partitions) (assignment[topic] ??= []).push(partition);
  return MemberAssignment.encode({ version, assignment, userData: Buffer.alloc(0) });
}
