/** A star with any damage is rebuilt. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countsOf, listRuns } from '../../serving/batch-runs.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { makeDataDir, store } from './data-dir.js';
import { run, someFacts } from './star-facts.js';

for (const retentionDays of [0, 36_500])
  test(`an intact star is reused; deleted, truncated or damaged anywhere it is rebuilt (retention: ${retentionDays} days)`, async () => {
    const config = makeDataDir({ lgK: 9, retentionDays });
    await store(config, someFacts(0, 400));
    const dir = roomOf(config.dataDir, 'star');
    const bytesRead = (): Record<string, number> | undefined => listRuns(config.dataDir).map(countsOf).at(-1);
    const expected = await run(config);
    const first = bytesRead();
    const files = readdirSync(dir);
    assert.ok(files.length > 12, 'texts, results, facts and repeats');
    const timeOf = (name: string): number => statSync(join(dir, name)).mtimeMs;
    const times = files.map(timeOf);
    assert.equal(await run(config), expected);
    assert.deepEqual(files.map(timeOf), times, 'nothing was written');
    const second = bytesRead();
    assert.ok((first?.['masterBytesRead'] ?? 0) > 0 && second?.['masterBytesRead'] === 0);
    assert.ok((second['starBytesRead'] ?? 0) > 300 * 20);

    rmSync(dir, { recursive: true });
    assert.equal(await run(config), expected);
    for (const name of files) {
      const path = join(dir, name);
      const { size } = statSync(path);
      if (size < 2) continue;
      const bytes = readFileSync(path);
      const middle = name.endsWith('.facts') ? 40 : Math.floor(size / 2); // values of the first column
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      const damages = [
        () => writeFileSync(path, bytes),
        () => truncateSync(path, size - 1),
        () => rmSync(path),
      ];
      for (const damage of name === 'HEAD.json' ? damages : [damages[0], damages[2]]) {
        damage?.();
        assert.equal(await run(config), expected, name);
      }
    }
  });
