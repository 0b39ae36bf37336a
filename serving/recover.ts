/** The part of `swa recover` for batch views: moves damaged ones aside, and publishes the newest intact one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { moveAside } from '../lib/files/removal.js';
import { unsealLine } from '../lib/files/sealed.js';
import { namesIn } from '../log/stored.js';
import type { RecoveryPlace, RecoveryStep } from '../lib/files/recovery.js';
import { validJson } from '../lib/files/valid-json.js';
import type { ViewId } from '../facts/views/view.js';
import { readCurrent } from './current.js';
import { heldSchema } from './held.js';
import { currentPath, fileNames, formatVersion, heldDir, viewPath, viewsDir } from './layout.js';
import { checkSeals, rollBack, viewIds } from './store.js';

/** Plans the recovery; reads every view completely. */
export async function planViews({ dataDir, asideDir }: RecoveryPlace): Promise<RecoveryStep[]> {
  const damaged = new Map<ViewId, string>();
  for (const id of viewIds(dataDir)) {
    try {
      await checkSeals(viewPath(dataDir, id));
    } catch (error) {
      if (!isOfLaterVersion(dataDir, id)) damaged.set(id, messageOf(error));
    }
  }
  const steps = [...damaged].map(([id, finding]): RecoveryStep => ({
    finding,
    action: `move view ${id} aside; \`swa batch run\` makes a new one`,
    run: () => void moveAside(viewPath(dataDir, id), join(asideDir, 'serving', 'views')),
  }));
  const whyNot = whyCurrentDoesNotServe(dataDir, damaged);
  if (whyNot !== undefined)
    steps.push({
      finding: whyNot,
      action: 'publish the newest intact view, or an empty one until `swa batch run` has made one',
      run: () => letNewestServe(dataDir, asideDir),
    });
  for (const name of namesIn(heldDir(dataDir))) {
    const path = join(heldDir(dataDir), name);
    if (!name.endsWith('.json') || validJson(heldSchema, readIfThere(path) ?? '') !== undefined) continue;
    steps.push({
      finding: `${path} is damaged: cannot tell which views it keeps, so none are removed`,
      action: 'move it aside; the role it is named after writes it again',
      run: () => void moveAside(path, join(asideDir, 'serving', 'held')),
    });
  }
  return steps;
}

const formatSchema = z.object({ format: z.number() });

function isOfLaterVersion(dataDir: string, id: ViewId): boolean {
  const body = unsealLine(readIfThere(join(viewPath(dataDir, id), fileNames.meta)) ?? '')?.body;
  const format = body === undefined ? undefined : validJson(formatSchema, body)?.format;
  return format !== undefined && format > formatVersion;
}

function whyCurrentDoesNotServe(dataDir: string, damaged: ReadonlyMap<ViewId, string>): string | undefined {
  try {
    const current = readCurrent(dataDir);
    if (damaged.has(current)) return `CURRENT names ${current}, which is damaged`;
    return existsSync(viewPath(dataDir, current)) ? undefined : `CURRENT names ${current}, which is missing`;
  } catch (error) {
    const isFresh = !existsSync(currentPath(dataDir)) && !existsSync(viewsDir(dataDir));
    return isFresh ? undefined : messageOf(error);
  }
}

async function letNewestServe(dataDir: string, asideDir: string): Promise<void> {
  moveAside(currentPath(dataDir), join(asideDir, 'serving'));
  try {
    await rollBack(dataDir);
  } catch (error) {
    // No view is intact: the next start creates the empty one.
    if (!(error instanceof SwaError && error.code === 'view.missing')) throw error;
  }
}
