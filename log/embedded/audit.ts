/** Audits the embedded log: reads every frame of every segment and repairs nothing, not even a torn tail. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Findings } from '../../lib/errors/finding.js';
import { offset, type Log, type Offsets, type PartitionName } from '../log.js';
import { namesIn } from '../stored.js';
import { inspectLog, type Expected, type LogState } from './salvage.js';

/** The part of `Log` that an audited log offers. */
export type AuditedLog = Pick<Log, 'id' | 'partitions' | 'latest' | 'earliest'>;

const ownFiles = /^(segment-\d{10}\.log|format\.json|watermark|trim-below\.json|kafka\.json|writer\.lock)$/;

export const logFix =
  'restore log/ from a backup, or stop the system and run `swa recover` to see what can be saved';

/** Reports findings and returns what was read; undefined if the folder has no log and no trace of one. */
export function auditLog(dir: string, expected: Expected, report: Findings): AuditedLog | undefined {
  const names = namesIn(dir);
  for (const name of names.filter((one) => !ownFiles.test(one))) {
    if (name.endsWith('.tmp')) report.leftover(join(dir, name), 'nothing: this file is never read');
    else report.add(`${join(dir, name)} is not a file of the log`, 'move it out of the data directory');
  }
  if (!names.some((name) => name === 'format.json' || name === 'watermark' || name.startsWith('segment-')))
    return undefined;
  const state = inspectLog(dir, expected);
  for (const finding of state.findings) report.add(finding, logFix);
  if (!state.isEndKnown) {
    const path = join(dir, 'watermark');
    report.add(
      existsSync(path)
        ? `${path} is damaged: the end of the acknowledged facts is unknown`
        : `${path} is missing: the end of the acknowledged facts is unknown`,
      'start the system: it restores the file from the segments if they are intact',
    );
  }
  return seenLog(state);
}

function seenLog(state: LogState): AuditedLog | undefined {
  const { logId, partitions } = state;
  if (logId === undefined || partitions.length === 0) return undefined;
  const byName = (of: (name: PartitionName) => number): Offsets =>
    Object.fromEntries(partitions.map((name) => [name, offset(of(name))]));
  const latest = byName((name) => state.ends.get(name) ?? 0);
  const earliest = byName((name) => state.runs.get(name)?.[0]?.from ?? latest[name] ?? 0);
  return {
    id: logId,
    partitions,
    latest: async () => latest,
    earliest: async () => earliest,
  };
}
