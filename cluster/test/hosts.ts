/** Processes on separate hosts, for tests: they share only a Kafka broker and a store. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { z } from 'zod';
import { assetPath } from '../../lib/files/assets.js';
import { configWith } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { openLogWriter } from '../../log/open-log.js';
import type { LogWriter, Offsets } from '../../log/log.js';
import { pageview, recordsOf } from '../../speed/test/facts.js';
import { eventually } from '../../test/eventually.js';
import { freePort } from '../../test/loopback.js';
import { tempDir } from '../../test/temp-dir.js';

export const partitions = 2;
export const secret = 'secret-of-these-tests';

/** Deadline for all processes to start and to find each other, on a busy machine. */
export const startMs = 600_000;
/** Deadline of a batch run, which has the lowest priority of all. */
export const batchMs = 600_000;
/** Interval between checks; each sends requests to processes that have other work. */
export const pauseMs = 500;

/** `start` is the whole system of one machine. */
type Role = 'start' | 'collector' | 'sink' | 'speed' | 'batch' | 'query';

/** The variable that sets a role's port; a sink and a batch role have none. */
const portKeys: Readonly<Record<Role, string>> = {
  start: 'SWA_HTTP_PORT',
  collector: 'SWA_COLLECTOR_PORT',
  sink: 'SWA_HTTP_PORT',
  speed: 'SWA_SPEED_PORT',
  batch: 'SWA_HTTP_PORT',
  query: 'SWA_HTTP_PORT',
};

/** A data directory, and a process on it that can be killed and started again. */
export class HostProcess {
  readonly role: Role;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** URL of its endpoint. */
  readonly origin: string;
  #child: ChildProcess | undefined;

  constructor(role: Role, dir: string, env: Readonly<Record<string, string>>, port: number) {
    this.role = role;
    this.dataDir = join(dir, 'data');
    this.origin = `http://127.0.0.1:${port}`;
    this.env = {
      ...env,
      SWA_DATA_DIR: this.dataDir,
      [portKeys[role]]: String(port),
    };
  }

  start(): void {
    this.#child = this.spawn(this.role);
  }

  /** Runs a command on the data directory. */
  spawn(...args: readonly string[]): ChildProcess {
    const stderr = this.env['SWA_LOG_LEVEL'] === 'fatal' ? 'ignore' : 'inherit';
    return this.spawnWith(['ignore', 'ignore', stderr], ...args);
  }

  spawnWith(stdio: StdioOptions, ...args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [assetPath('bin/swa'), ...args], { env: this.env, stdio });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }
}

export interface HostsOptions {
  readonly broker: string;
  /** Configuration of the store, and the PATH of processes. */
  readonly env: Readonly<Record<string, string>>;
  readonly replicas: number;
}

/** One sink, two speed workers, two query processes. */
export class Hosts {
  readonly sink: HostProcess;
  readonly speed: readonly HostProcess[];
  readonly query: readonly HostProcess[];
  readonly log: LogWriter;
  /** Number of durable facts. */
  facts = 0;
  /** The log's ends at acknowledgements of the last minutes. */
  readonly #acks: { readonly ends: Offsets; readonly at: number }[] = [];
  #feeding: Promise<void> = Promise.resolve();
  #isFeeding = false;

  private constructor(log: LogWriter, hosts: readonly HostProcess[]) {
    this.log = log;
    const of = (role: Role): HostProcess[] => hosts.filter((host) => host.role === role);
    const [sink] = of('sink');
    assert.ok(sink !== undefined);
    this.sink = sink;
    this.speed = of('speed');
    this.query = of('query');
  }

  static async start(t: TestContext, { broker, env: given, replicas }: HostsOptions): Promise<Hosts> {
    const dir = tempDir('hosts');
    const prefix = `hosts${replicas}-`;
    const env = {
      SWA_KAFKA_BROKERS: broker,
      SWA_KAFKA_TOPIC_PREFIX: prefix,
      SWA_PARTITIONS: String(partitions),
      SWA_SPEED_SECRET: secret,
      SWA_SPEED_REPLICAS: String(replicas),
      SWA_BATCH_SCHEDULE: 'off',
      SWA_BATCH_THREADS: '1',
      SWA_BATCH_MEMORY: '512MB',
      SWA_SINK_INTERVAL_MS: '1000',
      SWA_LOG_LEVEL: 'fatal',
      SWA_HTTP_RATE_PER_MINUTE: '0',
      ...given,
    };
    const config = configWith({
      dataDir: join(dir, 'writer'),
      kafkaBrokers: [broker],
      kafkaTopicPrefix: prefix,
      partitions,
      batchSchedule: 'off',
    });
    const log = await openLogWriter(config, systemClock);
    const processes: HostProcess[] = [];
    for (const [i, role] of (['sink', 'speed', 'speed', 'query', 'query'] as const).entries())
      processes.push(new HostProcess(role, join(dir, `${i}-${role}`), env, await freePort()));
    const hosts = new Hosts(log, processes);
    t.after(async () => {
      hosts.#isFeeding = false;
      await hosts.#feeding;
      await Promise.all(processes.map((host) => host.end('SIGKILL')));
      await log.close();
      rmSync(dir, { recursive: true, force: true });
    });
    for (const host of processes) host.start();
    return hosts;
  }

  /** Age, at a time not before the cut, of the oldest acknowledged fact that is not before the cut; 0 if there is none. */
  missingMs(cut: Readonly<Record<string, number>>, at: number): number {
    const first = this.#acks.find(({ ends }) =>
      Object.entries(ends).some(([name, end]) => end > (cut[name] ?? 0)),
    );
    return first === undefined ? 0 : Math.max(0, at - first.at);
  }

  /** Sends this many facts per second, each of a new visitor, until the test ends or `stopFeeding`. */
  feed(perSecond: number): void {
    this.#isFeeding = true;
    this.#feeding = this.#feed(perSecond);
  }

  async stopFeeding(): Promise<void> {
    this.#isFeeding = false;
    await this.#feeding;
  }

  async #feed(perSecond: number): Promise<void> {
    const beganAt = performance.now();
    let sent = 0;
    while (this.#isFeeding) {
      const due = Math.floor(((performance.now() - beganAt) / 1_000) * perSecond) - sent;
      const now = Date.now();
      const facts = Array.from({ length: Math.min(due, perSecond) }, (_, i) => {
        const number = this.facts + i;
        const url = `https://www.example.com/${number % 20}`;
        return pageview(`cookie:${number}`, url, {
          timestamp: now,
          receivedAt: now,
          eventId: `fact-${number}`,
        });
      });
      if (facts.length > 0) await this.log.append(recordsOf(facts));
      sent += due; // facts that there was no time for are skipped
      this.facts += facts.length;
      const at = performance.now();
      this.#acks.push({ ends: await this.log.latest(), at });
      if (this.#acks.length > 20_000) this.#acks.splice(0, 10_000);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }

  /** Runs a batch from the sink's data directory and publishes to all hosts. */
  async batch(): Promise<void> {
    const child = this.sink.spawn('batch', 'run');
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 0, 'the batch run');
  }

  async untilAnswering(): Promise<void> {
    for (const { origin } of this.query)
      await eventually(
        `${origin} answers with realtime facts`,
        async () => {
          const answer = await ask(origin).catch(() => undefined);
          return answer?.status === 200 && answer.isLive && answer.pageviews > 0 ? true : undefined;
        },
        startMs,
        pauseMs,
      );
  }
}

const bodySchema = z.object({
  data: z.object({ pageviews: z.number() }),
  freshness: z.object({
    generation: z.string(),
    batch: z.object({ cut: z.record(z.string(), z.number()) }),
    realtime: z.object({ cut: z.record(z.string(), z.number()) }).nullable(),
  }),
});

export interface Asked {
  readonly status: number;
  readonly text: string;
  readonly pageviews: number;
  readonly isLive: boolean;
  readonly cut: Readonly<Record<string, number>>;
  readonly generation: string;
  /** The cut to send with the next question. */
  readonly seen: string | undefined;
}

/** Asks for all pageviews. Every fact is one pageview with its own offset, so the answer must equal the size of its cut. */
export async function ask(origin: string, seen?: string): Promise<Asked> {
  const day = 86_400_000;
  const from = new Date(Math.floor(Date.now() / day - 1) * day).toISOString();
  const to = new Date(Math.floor(Date.now() / day + 2) * day).toISOString();
  const response = await fetch(`${origin}/v1/pageviews?domain=example.com&from=${from}&to=${to}`, {
    headers: seen === undefined ? {} : { 'Swa-At-Least': seen },
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const failed = { pageviews: 0, isLive: false, cut: {}, generation: '', seen };
  if (response.status !== 200) return { ...failed, status: response.status, text };
  const { data, freshness } = bodySchema.parse(JSON.parse(text));
  const cut = freshness.realtime?.cut ?? freshness.batch.cut;
  const facts = Object.entries(cut).reduce(
    (sum, [name, next]) => sum + (name.startsWith('pageviews/') ? next : 0),
    0,
  );
  assert.equal(data.pageviews, facts, `exactly the facts before ${JSON.stringify(cut)}`);
  return {
    status: 200,
    text,
    pageviews: data.pageviews,
    isLive: freshness.realtime !== null,
    cut,
    generation: freshness.generation,
    seen: response.headers.get('Swa-Cut') ?? undefined,
  };
}
