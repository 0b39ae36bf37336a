/** Samples of a running system for the row `soak`: memory and descriptors of its process from /proc, and its data directory. */
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { configWith } from '../lib/config/config.js';
import { rooms } from '../lib/files/data-dir.js';
import type { ViewId } from '../facts/views/view.js';
import { distance } from '../log/cut.js';
import type { Log, Offsets } from '../log/log.js';
import { openExistingLog } from '../log/open-log.js';
import { lowestOf, withWindow } from '../log/retention.js';
import { listRuns } from '../serving/batch-runs.js';
import { heldViews } from '../serving/held.js';
import { listViews } from '../serving/store.js';
import { readPointer } from '../speed/store/layout.js';

export interface Sample {
  readonly second: number;
  readonly anonymousBytes: number;
  readonly mappedBytes: number;
  /** Number by kind: the room of the data directory, or what /proc calls it. */
  readonly descriptors: Readonly<Record<string, number>>;
  readonly threads: number;
  /** Bytes by room, for the rooms that do not keep all facts. */
  readonly diskBytes: Readonly<Record<string, number>>;
  /** Bytes of the log that the views left by the last run do not need; undefined while the log's writer may not have seen these views. */
  readonly logExcessBytes: number | undefined;
  /** Number of generations that have taken over. */
  readonly handOvers: number;
  /** True while two realtime generations are open. */
  readonly isHandingOver: boolean;
}

/** Rooms that grow with the facts, whatever the system does. */
const keepingAll: ReadonlySet<string> = new Set(['master', 'star', 'serving']);
/** Time from the publication of a view until the log must be trimmed: the run's last step and the writer's next check, on a busy machine. */
const trimWithinSeconds = 20;

export class Sampler {
  readonly #pid: number;
  readonly #dataDir: string;
  readonly #log: Log;
  readonly #retainBatches: number;
  readonly #dedupWindow: number;
  #serving: ViewId | undefined;
  #handOvers = -1; // the first generation takes over from none
  #held: ReadonlySet<ViewId> = new Set();
  #published = 0;
  #publishedAt = 0;
  #needed: Offsets | undefined;

  private constructor(pid: number, dataDir: string, dedupWindow: number, log: Log) {
    this.#pid = pid;
    this.#dataDir = dataDir;
    this.#log = log;
    this.#retainBatches = configWith({ dataDir }).retainBatches;
    this.#dedupWindow = dedupWindow;
  }

  static async open(pid: number, dataDir: string, dedupWindow: number): Promise<Sampler> {
    return new Sampler(pid, dataDir, dedupWindow, await openExistingLog(configWith({ dataDir })));
  }

  async take(second: number): Promise<Sample> {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    const bytesOf = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
    const pointer = readPointer(this.#dataDir);
    if (pointer?.serving !== undefined && pointer.serving !== this.#serving) {
      this.#serving = pointer.serving;
      this.#handOvers++;
    }
    const diskBytes = Object.fromEntries(
      rooms
        .filter((room) => !keepingAll.has(room))
        .map((room) => [room, bytesIn(join(this.#dataDir, room))] as const),
    );
    return {
      second,
      anonymousBytes: bytesOf('RssAnon'),
      mappedBytes: bytesOf('RssFile'),
      descriptors: this.#descriptors(),
      threads: readdirSync(`/proc/${this.#pid}/task`).length,
      diskBytes,
      logExcessBytes: await this.#logExcess(second, diskBytes['log'] ?? 0),
      handOvers: Math.max(0, this.#handOvers),
      isHandingOver: pointer?.next !== undefined,
    };
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  #descriptors(): Record<string, number> {
    const counts: Record<string, number> = {};
    const dir = `/proc/${this.#pid}/fd`;
    for (const name of readdirSync(dir)) {
      let target: string;
      try {
        target = readlinkSync(join(dir, name));
      } catch {
        continue; // closed in the meantime
      }
      const kind = kindOf(target, this.#dataDir);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }

  async #logExcess(second: number, bytes: number): Promise<number | undefined> {
    const held = heldViews(this.#dataDir);
    const published = listRuns(this.#dataDir).filter(({ outcome }) => outcome === 'published').length;
    if (published !== this.#published) {
      this.#published = published;
      this.#publishedAt = second;
      this.#needed = this.#neededFrom(new Set([...this.#held, ...held]));
    }
    this.#held = held;
    if (this.#needed === undefined || second < this.#publishedAt + trimWithinSeconds) return undefined;
    const [earliest, latest] = [await this.#log.earliest(), await this.#log.latest()];
    const kept = distance(earliest, latest);
    return kept === 0 ? 0 : (bytes * (kept - distance(this.#needed, latest))) / kept;
  }

  /** The rule of the batch layer (log/retention.ts), by the views on disk. */
  #neededFrom(held: ReadonlySet<ViewId>): Offsets | undefined {
    const all = listViews(this.#dataDir);
    const cuts = all
      .filter(({ id }, i) => i >= all.length - this.#retainBatches || held.has(id))
      .map(({ cut }) => cut);
    const newest = all.at(-1);
    if (newest === undefined) return undefined;
    const lastRun = { from: all.at(-2)?.cut.next ?? {}, to: newest.cut.next };
    return withWindow(lowestOf(cuts), lastRun, this.#dedupWindow).next;
  }
}

function kindOf(target: string, dataDir: string): string {
  const gone = target.endsWith(' (deleted)') ? ', deleted' : '';
  if (target.startsWith(`${dataDir}/`)) return `${target.slice(dataDir.length + 1).split('/', 1)[0]}${gone}`;
  const [kind = ''] = target.split(':', 1);
  return target.startsWith('/') ? `other files${gone}` : kind;
}

/** Bytes of all files in a folder; files removed meanwhile count 0. */
function bytesIn(dir: string): number {
  try {
    return readdirSync(dir, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(dir, entry.name);
      return (
        sum + (entry.isDirectory() ? bytesIn(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0))
      );
    }, 0);
  } catch {
    return 0;
  }
}
