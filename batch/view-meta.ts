/** The part of META that is known before the facts are counted, for any engine. */
import { codeVersion } from '../serving/code-version.js';
import type { MetaBase } from '../serving/view-writer.js';
import type { BuildOptions } from './pipeline.js';

/** @param retractions number before the cut, as in ViewMeta */
export function viewMetaOf(options: BuildOptions, retractions: number): Omit<MetaBase, 'counts'> {
  const { snapshot, rules, number, createdAt, lgK, bucketMinutes, maxPersonIds, keptFrom } = options;
  const { cut, gaps } = snapshot;
  return {
    number,
    createdAt,
    cut,
    gaps,
    lgK,
    bucketMinutes,
    rules: rules.versions,
    maxPersonIds,
    retractions,
    ...(keptFrom === undefined ? {} : { keptFrom }),
    codeVersion,
  };
}
