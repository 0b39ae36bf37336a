/** The collector before its log is open, and with queued imports that cannot be run. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { readStatus } from '../../lib/process/status.js';
import { eventually } from '../../test/eventually.js';
import { makeCollector, type Collector } from '../role.js';
import { tempDir } from '../../test/temp-dir.js';

async function setUp(): Promise<{ readonly dataDir: string; readonly collector: Collector }> {
  const dataDir = tempDir('collector-role');
  const config = configWith({ dataDir });
  return {
    dataDir,
    collector: await makeCollector({ config, clock: systemClock, logger: pino({ level: 'silent' }) }),
  };
}

const record = { topic: 'pageviews', key: 'k', value: Buffer.from('{}') } as const;

test('a log that could not be opened can be opened later', async () => {
  const { dataDir, collector } = await setUp();
  assert.throws(() => collector.log, { code: 'log.unavailable', retryable: true });
  const format = join(roomOf(dataDir, 'log'), 'format.json');
  const first = await collector.open();
  await first.stop();
  const whole = readFileSync(format);
  writeFileSync(format, 'damaged');
  await assert.rejects(collector.open(), { code: 'log.corrupt' });
  assert.throws(() => collector.log, /not open for writing: .*format\.json/);
  writeFileSync(format, whole);
  const again = await collector.open();
  await collector.log.append([record]);
  await again.stop();
});

test('facts are taken while the queue of imports cannot be opened, and imports go on when it can', async (t) => {
  const { dataDir, collector } = await setUp();
  const queue = join(roomOf(dataDir, 'jobs'), 'import');
  writeFileSync(queue, 'no directory');
  const opened = await collector.open();
  t.after(() => opened.stop());
  collector.listening('http://127.0.0.1:1');
  await collector.log.append([record]);
  const lastError = () => readStatus(dataDir)[0]?.lastError;
  assert.match(lastError()?.message ?? '', /^background imports are waiting: /);
  rmSync(queue);
  mkdirSync(queue);
  await eventually('they wait no more', () => (lastError() === null ? true : undefined));
});
