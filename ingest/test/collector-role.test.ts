import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir, roomOf } from '../../lib/files/data-dir.js';
import { openLogWriter } from '../../log/open-log.js';
import { openCollector } from '../role.js';

test('a collector that cannot be opened leaves the log to others', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-collector-role-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const config = configWith({ dataDir });
  openDataDir(config);
  writeFileSync(join(roomOf(dataDir, 'jobs'), 'import'), 'no directory');
  await assert.rejects(openCollector({ config, clock: systemClock, logger: pino({ level: 'silent' }) }));
  const log = await openLogWriter(config, systemClock);
  await log.close();
});
