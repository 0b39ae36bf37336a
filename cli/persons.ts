/** Looks up persons in the published batch view, for commands. */
import type { BatchView } from '../facts/views/view.js';
import type { Config } from '../lib/config/config.js';
import { currentIfAny } from '../serving/current.js';
import { openView } from '../serving/store.js';

/** All ids of the person with this id. Does not know edges after the view's cut. */
export function idsOfPerson(config: Pick<Config, 'dataDir'>, id: string): readonly string[] {
  return withCurrent(config, (view) => view.idsOf(view.personOf(id))) ?? [id];
}

/** Calls `look` with the published view, and closes it. Undefined if no view was published yet. */
export function withCurrent<T>(
  { dataDir }: Pick<Config, 'dataDir'>,
  look: (view: BatchView) => T,
): T | undefined {
  const current = currentIfAny(dataDir);
  if (current === undefined) return undefined;
  const view = openView(dataDir, current);
  try {
    return look(view);
  } finally {
    view.close();
  }
}
