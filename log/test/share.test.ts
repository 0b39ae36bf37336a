import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PartitionName } from '../log.js';
import { SwaError } from '../../lib/errors/errors.js';
import type { GroupMember, Member } from '../kafka/client.js';
import { KafkaShare } from '../kafka/kafka-share.js';
import { partitionsOf } from '../partitioner.js';
import { assignPartitions, fixedShare } from '../share.js';
import { eventually } from '../../test/eventually.js';

const partitions = partitionsOf(7);

/** The partitions each member reports it had: any, including those of others or nonexistent ones. */
const histories = fc
  .dictionary(
    fc.string({ minLength: 1, maxLength: 4 }),
    fc.uniqueArray(fc.constantFrom(...partitions, 'pageviews/99' as PartitionName)),
    { minKeys: 1, maxKeys: 12, noNullPrototype: true },
  )
  .map((had) => new Map(Object.entries(had)));

test('every partition is assigned to exactly one member, and no member has two more than another', () => {
  fc.assert(
    fc.property(histories, (had) => {
      const assigned = assignPartitions(partitions, had);
      assert.deepEqual([...assigned.keys()].toSorted(), [...had.keys()].toSorted());
      assert.deepEqual([...assigned.values()].flat().toSorted(), partitions.toSorted());
      const sizes = [...assigned.values()].map((owned) => owned.length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
    }),
  );
});

test('with replicas every partition is assigned to that many different members, or to all if there are fewer', () => {
  fc.assert(
    fc.property(histories, fc.integer({ min: 2, max: 4 }), (had, replicas) => {
      const assigned = assignPartitions(partitions, had, replicas);
      assert.deepEqual([...assigned.keys()].toSorted(), [...had.keys()].toSorted());
      for (const name of partitions) {
        const holders = [...assigned.values()].filter((owned) => owned.includes(name)).length;
        assert.equal(holders, Math.min(replicas, had.size), name);
      }
      const shares = [...assigned.values()];
      for (const owned of shares) assert.equal(new Set(owned).size, owned.length);
      const sizes = shares.map((owned) => owned.length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
      assert.deepEqual(assignPartitions(partitions, new Map([...had].toReversed()), replicas), assigned);
    }),
  );
});

test('an assignment does not depend on the order of members, and assigning again moves nothing', () => {
  fc.assert(
    fc.property(histories, (had) => {
      const assigned = assignPartitions(partitions, had);
      assert.deepEqual(assignPartitions(partitions, new Map([...had].toReversed())), assigned);
      const again = assignPartitions(partitions, assigned);
      for (const [member, owned] of assigned)
        assert.deepEqual(again.get(member)?.toSorted(), owned.toSorted());
    }),
  );
});

test('only the share of a new member moves, or that of a member that left', () => {
  fc.assert(
    fc.property(histories, fc.string({ minLength: 5 }), (first, newcomer) => {
      const before = assignPartitions(partitions, first);
      const after = assignPartitions(partitions, new Map([...before, [newcomer, []]]));
      for (const [member, owned] of before) {
        for (const name of after.get(member) ?? []) assert.ok(owned.includes(name), `${member} got ${name}`);
      }
      const left = assignPartitions(
        partitions,
        new Map([...after].filter(([member]) => member !== newcomer)),
      );
      for (const [member, owned] of left) {
        for (const name of after.get(member) ?? []) assert.ok(owned.includes(name), `${member} lost ${name}`);
      }
    }),
  );
});

test('fixed shares are all partitions, each in one', () => {
  const shares = [0, 1, 2].map((member) => fixedShare(partitions, { members: 3, member }).partitions());
  assert.deepEqual(shares.flat().toSorted(), partitions.toSorted());
  assert.equal(fixedShare(partitions, { members: 1, member: 0 }).kind, 'fixed');
});

test('a member without contact to the group has no partitions until contact returns, and rejoins', async () => {
  const group = new SilentGroup();
  const share = await shareOf(group, 'here');
  group.joined?.assigned([{ topic: 'pageviews', partition: 3 }]);
  assert.deepEqual(share.partitions(), ['pageviews/3']);
  await eventually('a second member', () => group.members >= 2);
  assert.deepEqual(share.partitions(), []);
  assert.equal(group.left, 1);
  group.joined?.heard();
  assert.deepEqual(share.partitions(), ['pageviews/3']);
  await share.leave();
  assert.equal(group.left, group.members);
});

test('each data directory assigns all partitions to its members, and a foreign member gets none', async () => {
  const share = await shareOf(new SilentGroup(), 'here');
  const assigned = share.rules.assign(
    new Map([
      ['a', introduction('here', 'pageviews/0', 'pageviews/1')],
      ['b', introduction('here')],
      ['c', introduction('elsewhere')],
      ['d', 'no JSON'],
      ['e', '["pageviews/0"]'],
    ]),
  );
  const namesOf = (member: string): string[] =>
    (assigned.get(member) ?? []).map(({ topic, partition }) => `${topic}/${partition}`);
  assert.deepEqual([...namesOf('a'), ...namesOf('b')].toSorted(), partitions.toSorted());
  assert.deepEqual(namesOf('a').slice(0, 2), ['pageviews/0', 'pageviews/1']);
  assert.deepEqual(namesOf('c').toSorted(), partitions.toSorted());
  assert.deepEqual([...namesOf('d'), ...namesOf('e')], []);
  await share.leave();
});

test('if a group rejects us, the error names its members, we have no partitions, and we retry', async () => {
  const group = new SilentGroup();
  const share = await shareOf(group, 'here', [{ id: 'm-1', clientId: 'stranger', host: '192.0.2.7' }]);
  group.joined?.assigned([{ topic: 'pageviews', partition: 3 }]);
  group.joined?.failed(new SwaError('log.unavailable', 'cannot join'));
  assert.deepEqual(share.partitions(), []);
  await eventually('the stranger is named', () =>
    /'stranger' at 192\.0\.2\.7 \(m-1\)/.test(share.trouble()?.message ?? ''),
  );
  await eventually('a second member', () => group.members >= 2);
  assert.equal(group.left, 1);
  group.joined?.assigned([{ topic: 'pageviews', partition: 2 }]);
  assert.deepEqual([share.partitions(), share.trouble()], [['pageviews/2'], undefined]);
  await share.leave();
});

/** A member's introduction. */
function introduction(home: string, ...had: string[]): string {
  return JSON.stringify({ home, had });
}

function shareOf(
  group: SilentGroup,
  home: string,
  members: readonly GroupMember[] = [],
): Promise<KafkaShare> {
  return KafkaShare.join({
    partitions,
    topicOf: (name) => name.split('/')[0] ?? '',
    nameOf: (topic, partition) => `${topic}/${partition}` as PartitionName,
    join: (member) => group.join(member),
    members: async () => members,
    group: 'group',
    broker: '',
    home,
    replicas: 1,
    silentMs: 100,
  });
}

/** A group that accepts members and sends nothing. */
class SilentGroup {
  members = 0;
  left = 0;
  joined: Member | undefined;

  join(member: Member): Promise<{ leave(): Promise<void> }> {
    this.members++;
    this.joined = member;
    return Promise.resolve({ leave: async () => void this.left++ });
  }
}
