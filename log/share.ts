/** Assigns a log's partitions to processes: fixed by the configuration, or rebalanced when members join or leave. */
import type { PartitionName, Share, ShareOptions } from './log.js';

/** For a moving share. By default the members with one data directory share, and each partition has one owner. */
export interface ShareGroup {
  /** Members with the same home share the partitions. */
  readonly home: string;
  /** Number of owners of each partition, limited by the number of members. */
  readonly replicas: number;
}

/** The partitions whose index modulo `members` equals `member`. */
export function fixedShare(
  partitions: readonly PartitionName[],
  { members, member }: Pick<ShareOptions, 'members' | 'member'>,
): Share {
  const ours = partitions.filter((_name, i) => i % members === member);
  return { kind: 'fixed', partitions: () => ours, leave: () => Promise.resolve() };
}

/**
 * Assigns every partition to exactly one member. Members' counts differ by at most one, and as many partitions as that
 * allows stay with their previous owner. Depends only on its arguments, not on the order of members.
 * @param had the partitions each member reports it had; one reported by several goes to one of them
 * @param replicas number of owners of each partition, limited by the number of members
 */
export function assignPartitions(
  partitions: readonly PartitionName[],
  had: ReadonlyMap<string, readonly PartitionName[]>,
  replicas = 1,
): Map<string, PartitionName[]> {
  if (replicas > 1) return assignReplicas(partitions, had, Math.min(replicas, had.size));
  const members = [...had.keys()].toSorted();
  const assigned = new Map(members.map((member) => [member, [] as PartitionName[]]));
  const free: PartitionName[] = [];
  for (const name of partitions) {
    const owner = members.find((member) => had.get(member)?.includes(name));
    (owner === undefined ? free : assigned.get(owner))?.push(name);
  }
  const byCount = [...assigned.values()].toSorted((a, b) => b.length - a.length);
  const least = Math.floor(partitions.length / members.length);
  const withOneMore = partitions.length % members.length;
  const assignments = byCount.map((names, i) => ({ names, size: i < withOneMore ? least + 1 : least }));
  for (const { names, size } of assignments) free.push(...names.splice(size));
  for (const { names, size } of assignments) names.push(...free.splice(0, size - names.length));
  return assigned;
}

/** Previous owners keep a partition while they have room; the rest goes to the members with the fewest. */
function assignReplicas(
  partitions: readonly PartitionName[],
  had: ReadonlyMap<string, readonly PartitionName[]>,
  replicas: number,
): Map<string, PartitionName[]> {
  const assigned = new Map([...had.keys()].toSorted().map((member) => [member, [] as PartitionName[]]));
  const most = Math.ceil((partitions.length * replicas) / assigned.size);
  const missing: PartitionName[] = [];
  for (const name of partitions) {
    const keepers = [...assigned].filter(
      ([member, ours]) => had.get(member)?.includes(name) && ours.length < most,
    );
    for (const [, ours] of keepers.slice(0, replicas)) ours.push(name);
    for (let i = keepers.length; i < replicas; i++) missing.push(name);
  }
  for (const name of missing) {
    const others = [...assigned.values()].filter((ours) => !ours.includes(name));
    others.toSorted((a, b) => a.length - b.length)[0]?.push(name);
  }
  for (;;) {
    const bySize = [...assigned.values()].toSorted((a, b) => a.length - b.length);
    const [least = [], largest = []] = [bySize[0], bySize.at(-1)];
    if (largest.length - least.length <= 1) return assigned;
    const moved = largest.findIndex((name) => !least.includes(name));
    least.push(...largest.splice(moved, 1));
  }
}
