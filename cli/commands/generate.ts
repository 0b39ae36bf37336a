/** `swa generate`: appends generated traffic to the log. */
import type { Command } from 'commander';
import { generate } from '../../ingest/generate.js';
import { TrafficModel, trafficDefaults } from '../../ingest/traffic-model.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { makeRules } from '../../facts/rules.js';
import { hourMs } from '../../lib/time/buckets.js';
import { openFactSink } from '../fact-sink.js';
import { startProgress } from '../progress.js';
import { WarningCounts } from '../warnings.js';

interface GenerateFlags {
  readonly facts?: string;
  readonly rate: string;
  readonly hoursBack: string;
  readonly speedup: string;
  readonly people: string;
  readonly seed: string;
}

export function addGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description('generate traffic until stopped: history first, then live in real time')
    .option('--facts <n>', 'stop after this many facts')
    .option(
      '--rate <n>',
      'mean pageviews per second of simulated time',
      String(trafficDefaults.viewsPerSecond),
    )
    .option('--hours-back <n>', 'start this many hours in the past', '24')
    .option(
      '--speedup <n>',
      'simulated seconds per second while catching up; 0 for as fast as possible',
      '3600',
    )
    .option('--people <n>', 'how many people visit', String(trafficDefaults.people))
    .option(
      '--seed <n>',
      'seed of the random numbers: the same seed gives the same traffic',
      String(trafficDefaults.seed),
    )
    .action(async (flags: GenerateFlags) => runGenerate(flags));
}

async function runGenerate(flags: GenerateFlags): Promise<void> {
  const config = readConfig(process.env);
  const { url: urls } = makeRules(config);
  const hoursBack = positive('--hours-back', flags.hoursBack, 0);
  const speedup = positive('--speedup', flags.speedup, 0);
  const model = new TrafficModel({
    ...trafficDefaults,
    viewsPerSecond: positive('--rate', flags.rate, 0.001),
    people: positive('--people', flags.people, 1),
    seed: positive('--seed', flags.seed, 0),
  });
  const maxFacts = flags.facts === undefined ? Number.MAX_SAFE_INTEGER : positive('--facts', flags.facts, 1);
  const sink = await openFactSink(config, urls);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  process.stderr.write(`generating into ${sink.name}; ctrl-C stops\n`);
  const progress = startProgress('generate', systemClock);
  const warnings = new WarningCounts();
  try {
    const facts = await generate({
      model,
      sink,
      urls,
      clock: systemClock,
      startMs: systemClock() - hoursBack * hourMs,
      speedup: speedup === 0 ? Number.POSITIVE_INFINITY : speedup,
      maxFacts,
      signal: stop.signal,
      onWarning: (warning) => warnings.add(warning),
      onProgress: (count, simulatedMs) =>
        progress.show(
          count,
          flags.facts === undefined ? undefined : maxFacts,
          `${count} facts, at ${new Date(simulatedMs).toISOString()}`,
        ),
    });
    process.stdout.write(`generated ${facts} facts\n`);
    process.stderr.write(warnings.summary());
  } finally {
    progress.end();
    await sink.close();
  }
}

function positive(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new SwaError('usage.invalid', `${flag} takes a number of at least ${least}, got '${text}'`);
  }
  return value;
}
