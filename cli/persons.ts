/** Looks up persons for commands: in the published batch view, and by a running system. */
import { z } from 'zod';
import type { BatchView } from '../facts/views/view.js';
import type { Config } from '../lib/config/config.js';
import { currentIfAny } from '../serving/current.js';
import { openView } from '../serving/store.js';
import { hasCode } from '../lib/errors/errors.js';
import { askRunning } from './http-client.js';
import { runningUrl } from './running-url.js';

/** All ids of the person with this id. Does not know edges after the view's cut. */
export function idsOfPerson(config: Pick<Config, 'dataDir'>, id: string): readonly string[] {
  return withCurrent(config, (view) => view.idsOf(view.personOf(id))) ?? [id];
}

const personSchema = z.object({ data: z.object({ ids: z.array(z.string()), idCount: z.number() }) });

export interface PersonIds {
  readonly ids: readonly string[];
  /** For messages: up to when edges are known. */
  readonly asOf: 'now' | 'the last batch run';
}

/**
 * All ids of the person with this id, by all edges if a system runs here and tells them, otherwise by those of the published view. Never
 * fewer than the view has: a retraction after it counts with the next run.
 */
export async function idsOfPersonNow(
  config: Pick<Config, 'dataDir' | 'apiToken'>,
  id: string,
): Promise<PersonIds> {
  const ofView = idsOfPerson(config, id);
  const url = runningUrl(config, 'query');
  if (url === undefined) return { ids: ofView, asOf: 'the last batch run' };
  let told: unknown;
  try {
    told = await askRunning(config, url, `/v1/persons/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!hasCode(error, 'usage.invalid', 'request.failed')) throw error; // no key, or not ready
    return { ids: ofView, asOf: 'the last batch run' };
  }
  const { ids, idCount } = personSchema.parse(told).data;
  if (idCount > ids.length) return { ids: ofView, asOf: 'the last batch run' };
  return { ids: [...new Set([...ofView, ...ids])], asOf: 'now' };
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
