/** Announcements of speed workers and query processes on other hosts as entries of the status board. */
import { existsSync } from 'node:fs';
import type { Config } from '../../lib/config/config.js';
import type { StatusEntry } from '../../lib/process/status.js';
import type { Clock } from '../../lib/time/clock.js';
import { openStoreToRead } from '../store/open-store.js';
import { nodeOf } from './node-id.js';
import { readNodes } from './nodes.js';
import { readServing } from './store-pointers.js';

/** Excludes the nodes of this data directory, which are on its own status board. Throws `store.unavailable`, `store.corrupt`. */
export async function readNodeStatus(config: Config, clock: Clock): Promise<StatusEntry[]> {
  const store = await openStoreToRead(config);
  try {
    const [nodes, serving] = await Promise.all([readNodes(store), readServing(store)]);
    const { dataDir } = config;
    const own = existsSync(dataDir)
      ? (['speed', 'query'] as const).map((role) => nodeOf(role, dataDir, '').id)
      : [];
    return nodes
      .filter(({ id }) => !own.includes(id))
      .map((node) => ({
        role: node.role,
        worker: node.id.replace(/^[a-z]+-/, ''),
        pid: node.pid,
        host: node.host,
        pidSpace: 'announced',
        updatedAt: clock() - node.silentMs,
        state: 'running' as const,
        lastError: node.lastError,
        restarts: 0,
        details: {
          url: node.url,
          ...(node.role === 'query' ? { views: node.views.join(' ') } : {}),
          ...(node.id === serving?.leader ? { leads: true, epoch: serving.epoch } : {}),
          ...Object.fromEntries(
            node.stores.map(({ generation, partitions }) => [generation, partitions.join(' ')]),
          ),
        },
      }));
  } finally {
    store.close();
  }
}
