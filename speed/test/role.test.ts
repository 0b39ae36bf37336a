import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { openLogWriter } from '../../log/open-log.js';
import { readStatus } from '../../lib/process/status.js';
import { openRealtime } from '../store/read-side.js';
import { startSpeed } from '../role.js';
import { pageview, recordsOf } from './facts.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

test('the role makes the first generation in an empty directory, and reports its state', async () => {
  const dataDir = tempDir('speed');
  const config = configWith({ dataDir, partitions: 2 });
  const writer = await openLogWriter(config, systemClock);
  const role = await startSpeed({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
  const realtime = openRealtime(dataDir);
  const view = pageview('cookie:a', 'http://example.com/');
  await writer.append(recordsOf([view, pageview('cookie:b', 'ftp://x/'), view]));
  const end = JSON.stringify(await writer.latest());
  await eventually('the facts to be visible', () => {
    const snapshot = realtime.snapshot();
    snapshot?.release();
    return JSON.stringify(snapshot?.cut.next) === end;
  });
  await eventually('the status to say so', () => readStatus(dataDir)[0]?.details['pageviews'] === 1);
  const [status] = readStatus(dataDir);
  assert.equal(status?.state, 'running');
  assert.deepEqual(status.details['refused'], { 'invalid URL: not-http': 1 });
  assert.equal(status.details['repeats'], 1);
  await role.stop();
  assert.equal(readStatus(dataDir)[0]?.state, 'stopped');
  await realtime.close();
  await writer.close();
});

test('a batch view that cannot be followed is the last error of the role for as long as it lasts', async () => {
  const dataDir = tempDir('speed');
  const config = configWith({ dataDir, partitions: 1, segmentBytes: 65_536 });
  const writer = await openLogWriter(config, systemClock);
  const facts = Array.from({ length: 1_000 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  await writer.append(recordsOf(facts.slice(500)));
  await writer.append(recordsOf(facts));
  await writer.trim(await writer.latest());
  const role = await startSpeed({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
  const errors = new Map<number, string | undefined>();
  await eventually('four reports', () => {
    const [status] = readStatus(dataDir);
    if (
      status !== undefined &&
      'generation' in status.details &&
      (errors.size > 0 || status.lastError !== null)
    )
      errors.set(status.updatedAt, status.lastError?.code);
    return errors.size >= 4;
  });
  assert.deepEqual(new Set(errors.values()), new Set(['log.out-of-range']));
  await role.stop();
  await writer.close();
});
