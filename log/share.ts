/** How a log's partitions are shared out: by numbers from the configuration, or dealt again whenever members come and go. */
import type { PartitionName, Share, ShareOptions } from './log.js';

/** For a log whose members find each other; by default those of one data directory share, and each partition has one of them. */
export interface Among {
  /** Those that name one home share. */
  readonly home: string;
  /** How many have each partition, as far as there are so many. */
  readonly replicas: number;
}

/** Every so many partitions, counted from the member's own number. */
export function fixedShare(
  partitions: readonly PartitionName[],
  { members, member }: Pick<ShareOptions, 'members' | 'member'>,
): Share {
  const ours = partitions.filter((_name, i) => i % members === member);
  return { kind: 'fixed', partitions: () => ours, leave: () => Promise.resolve() };
}

/**
 * Deals all partitions out: every one to exactly one member, to no member more than one more than to another, and as
 * many as that allows to their previous owner. Depends only on its arguments, not even on the order of members.
 * @param had what each member says it had; what several say they had goes to one of them
 * @param replicas how many members have each partition, if there are so many
 */
export function assignPartitions(
  partitions: readonly PartitionName[],
  had: ReadonlyMap<string, readonly PartitionName[]>,
  replicas = 1,
): Map<string, PartitionName[]> {
  if (replicas > 1) return assignReplicas(partitions, had, Math.min(replicas, had.size));
  const members = [...had.keys()].toSorted();
  const dealt = new Map(members.map((member) => [member, [] as PartitionName[]]));
  const free: PartitionName[] = [];
  for (const name of partitions) {
    const owner = members.find((member) => had.get(member)?.includes(name));
    (owner === undefined ? free : dealt.get(owner))?.push(name);
  }
  const byCount = [...dealt.values()].toSorted((a, b) => b.length - a.length);
  const least = Math.floor(partitions.length / members.length);
  const withOneMore = partitions.length % members.length;
  const assignments = byCount.map((assigned, i) => ({ assigned, size: i < withOneMore ? least + 1 : least }));
  for (const { assigned, size } of assignments) free.push(...assigned.splice(size));
  for (const { assigned, size } of assignments) assigned.push(...free.splice(0, size - assigned.length));
  return dealt;
}

/** Whoever had a partition keeps it while there is room; then those with the fewest get what is missing. */
function assignReplicas(
  partitions: readonly PartitionName[],
  had: ReadonlyMap<string, readonly PartitionName[]>,
  replicas: number,
): Map<string, PartitionName[]> {
  const dealt = new Map([...had.keys()].toSorted().map((member) => [member, [] as PartitionName[]]));
  const most = Math.ceil((partitions.length * replicas) / dealt.size);
  const missing: PartitionName[] = [];
  for (const name of partitions) {
    const keepers = [...dealt].filter(
      ([member, ours]) => had.get(member)?.includes(name) && ours.length < most,
    );
    for (const [, ours] of keepers.slice(0, replicas)) ours.push(name);
    for (let i = keepers.length; i < replicas; i++) missing.push(name);
  }
  for (const name of missing) {
    const others = [...dealt.values()].filter((ours) => !ours.includes(name));
    others.toSorted((a, b) => a.length - b.length)[0]?.push(name);
  }
  for (;;) {
    const bySize = [...dealt.values()].toSorted((a, b) => a.length - b.length);
    const [least = [], largest = []] = [bySize[0], bySize.at(-1)];
    if (largest.length - least.length <= 1) return dealt;
    const moved = largest.findIndex((name) => !least.includes(name));
    least.push(...largest.splice(moved, 1));
  }
}
