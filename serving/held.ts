/**
 * Views that other parts of the system still need although newer ones are published: `held/<holder>.json`, one small file per holder. `prune`
 * keeps them. Holds outlive their process on purpose: a realtime view that a killed process left behind still answers together with its batch
 * view.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { makeDirDurable, replaceFile } from '../lib/files/durable.js';
import type { ViewId } from '../facts/views/view.js';
import { heldDir, isViewId } from './layout.js';

export const heldSchema = z.array(z.string().refine(isViewId));

/**
 * Replaces the views held by `holder` (a plain name); durable on return. A view that is already removed does not come back: the holder opens its
 * views after this call, and may find one missing.
 */
export function holdViews(dataDir: string, holder: string, ids: readonly ViewId[]): void {
  makeDirDurable(heldDir(dataDir));
  replaceFile(join(heldDir(dataDir), `${holder}.json`), JSON.stringify(ids));
}

/** All held views. Throws `view.corrupt` if a file is damaged, so that no view is removed that may be needed. */
export function heldViews(dataDir: string): Set<ViewId> {
  const held = new Set<ViewId>();
  for (const name of holders(dataDir)) {
    const path = join(heldDir(dataDir), name);
    try {
      for (const id of heldSchema.parse(JSON.parse(readFileSync(path, 'utf8')))) held.add(id);
    } catch (cause) {
      throw new SwaError('view.corrupt', `${path} is damaged: cannot tell which views it keeps`, {
        cause,
        hint: 'delete the file and restart the role it is named after',
      });
    }
  }
  return held;
}

function holders(dataDir: string): string[] {
  try {
    return readdirSync(heldDir(dataDir)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
