/** The identity of a process among all hosts, which stays the same after a restart. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Node, NodesOptions } from './nodes.js';

export function nodeOf(role: Node['role'], dataDir: string, url: string): NodesOptions['own'] {
  const host = hostname();
  const dir = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 8);
  return { id: `${role}-${host}-${dir}`, role, host, pid: process.pid, url, startedAt: Date.now() };
}
