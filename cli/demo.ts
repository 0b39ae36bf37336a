/** The demo: a data directory of its own, a batch run every 20 s, a day of history in half a minute, then live traffic. */
import { generate } from '../ingest/generate.js';
import { logSink } from '../ingest/fact-sinks.js';
import { TrafficModel, trafficDefaults } from '../ingest/traffic-model.js';
import { systemClock } from '../lib/time/clock.js';
import { readConfig, type Config, type Environment } from '../lib/config/config.js';
import { makeRules } from '../facts/rules.js';
import type { RunningRole } from '../lib/process/role.js';
import { hourMs } from '../lib/time/buckets.js';
import type { RunningSystem } from './system.js';

const presets: Environment = {
  SWA_DATA_DIR: './data-demo',
  SWA_BATCH_SCHEDULE: '*/20 * * * * *',
  SWA_SINK_INTERVAL_MS: '2000',
};

/** The environment wins over the demo's presets. */
export function demoConfig(env: Environment): Config {
  return readConfig({ ...presets, ...env });
}

/** Appends traffic to the log until stopped: a day of simulated time at an hour per second, then in real time. */
export function startDemoTraffic(system: RunningSystem, config: Config): RunningRole {
  const stop = new AbortController();
  const { url: urls } = makeRules(config);
  const startMs = systemClock() - 24 * hourMs;
  const done = generate({
    // A new seed at each start: the eventIds of an earlier demo would count as repeats.
    model: new TrafficModel({ ...trafficDefaults, viewsPerSecond: 2, seed: Math.floor(startMs / 1000) }),
    sink: logSink(system.log, urls),
    urls,
    clock: systemClock,
    startMs,
    speedup: 3600,
    maxFacts: Number.MAX_SAFE_INTEGER,
    signal: stop.signal,
  });
  return {
    done: done.then(() => new Promise<never>(() => undefined)), // ends only by `stop`
    async stop() {
      stop.abort();
      await done;
    },
  };
}
