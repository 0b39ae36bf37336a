/** docs/api.md: its requests are answered, with bodies of the shape that the page shows, by a system with the log that it speaks of. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { blocksOf, commandsOf } from './page-blocks.js';
import { importRealLog, realLogSkip } from './real-log-proof.js';
import { runBatch, startTestSystem, untilAllCounted, untilHandedOver } from './running-system.js';

const run = promisify(execFile);

test(
  'every body that docs/api.md shows whole has the fields of today',
  { skip: realLogSkip() },
  async (t) => {
    const swa = await startTestSystem(t);
    await importRealLog(swa);
    await untilAllCounted(swa);
    const timestamp = '2015-05-18T09:00:00Z';
    await swa.send(
      ['ip:83.149.9.216', 'user:42'].map((b) => ({ type: 'equiv', a: 'cookie:9f3c', b, timestamp })),
    );
    await untilHandedOver(swa, await runBatch(swa));
    const differences: string[] = [];
    let compared = 0;
    for (const { command, prints } of commandsOf(blocksOf('docs/api.md'))) {
      const shown = jsonOf(prints.join('\n'));
      const asked = command.replaceAll('http://127.0.0.1:8080', swa.system.origin);
      const { stdout } = await run('bash', ['-c', asked]);
      if (command.includes('/v1/events')) await untilAllCounted(swa);
      if (shown === undefined) continue;
      compared++;
      const [answered, onPage] = [shapeOf(JSON.parse(stdout)), shapeOf(shown)];
      const found = [
        ...answered.filter((path) => !onPage.includes(path)).map((path) => `the page lacks ${path}`),
        ...onPage.filter((path) => !answered.includes(path)).map((path) => `the answer lacks ${path}`),
      ];
      if (found.length > 0) differences.push([command, ...found].join('\n  '));
    }
    assert.equal(differences.join('\n'), '');
    assert.ok(compared > 20, `${compared} bodies`);
  },
);

/** Undefined for other texts, such as JSON that is shown in part. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * All paths to values. Elements of a list are one, but for lists of names that programs may use. Left out is what is in `details` and `counts`, which
 * differ, and in cuts.
 */
function shapeOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) {
    const isNames = path === '.known';
    const items = value.flatMap((item) => (isNames ? [`${path}: ${item}`] : shapeOf(item, `${path}[]`)));
    return [...new Set(items)];
  }
  if (typeof value !== 'object' || value === null || /\.(cut|details|counts)$/.test(path)) return [path];
  return Object.entries(value).flatMap(([name, item]) => shapeOf(item, `${path}.${name}`));
}
