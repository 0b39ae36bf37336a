/** The facts of a snapshot as SQL over the master dataset's files, for statements that read texts and not the star. */
import { sqlFacts } from '../../master-data/schema.js';
import type { Snapshot } from '../../master-data/snapshot.js';
import { timeEnd, timeStart } from '../../facts/fact.js';
import { offsetAt } from '../../log/cut.js';
import type { Topic } from '../../log/log.js';

/** Rows below the cut, each with the `partition` it lies in; all columns whatever version wrote the files. */
export function sqlSnapshot(topic: Topic, { files, cut }: Pick<Snapshot, 'files' | 'cut'>): string {
  const ofTopic = files.filter((file) => file.topic === topic);
  const partitions = [...new Set(ofTopic.map(({ partition }) => partition))];
  const selects = partitions.map((partition) => {
    const paths = ofTopic.filter((file) => file.partition === partition).map(({ path }) => path);
    const end = offsetAt(cut.next, `${topic}/${partition}`);
    return `select *, ${partition} as partition from ${sqlFacts(topic, paths)} where "offset" < ${end}`;
  });
  const none = `select *, 0 as partition from ${sqlFacts(topic, [])}`;
  return `(${[none, ...selects].join(' union all ')})`;
}

/** Facts of files that earlier versions wrote may have other times. */
export const sqlIsTime = `timestamp >= ${timeStart} and timestamp < ${timeEnd}`;
