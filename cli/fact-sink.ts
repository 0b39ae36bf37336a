/**
 * Opens the sink for commands that add facts: the log itself, or, if a running system has the log open for writing, that
 * system's collector.
 */
import { collectorSink, logSink, type FactSink } from '../ingest/fact-sinks.js';
import { systemClock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError } from '../lib/errors/errors.js';
import { openLogWriter } from '../log/open-log.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { runningUrl } from './running-url.js';

export async function openFactSink(config: Config, urls: UrlRules): Promise<FactSink> {
  openDataDir(config);
  try {
    return logSink(await openLogWriter(config, systemClock), urls);
  } catch (error) {
    if (!(error instanceof SwaError) || error.code !== 'data-dir.in-use') throw error;
    const baseUrl = runningUrl(config, 'collector');
    if (baseUrl === undefined) throw error;
    return collectorSink({ baseUrl, token: config.apiToken });
  }
}
