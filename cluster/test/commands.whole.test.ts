/** The commands on a data directory whose facts and views lie in a bucket. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { setUp } from '../../cli/test/swa-command.js';
import { assetPath } from '../../lib/files/assets.js';
import { eventually } from '../../test/eventually.js';
import { skipS3, startMoto } from '../../test/s3/servers.js';

const viewSchema = z.object({ id: z.string(), contentHash: z.string() });
const verifySchema = z.object({
  ok: z.boolean(),
  findings: z.array(z.unknown()),
  views: z.object({ recounted: z.string() }),
});

test(
  'facts go into a bucket; a run, swa verify and swa export fetch them from there',
  { skip: skipS3 },
  async (t) => {
    const server = await startMoto();
    t.after(() => server.close());
    await server.makeBucket('commands');
    const common = { SWA_PARTITIONS: '1', SWA_SINK_INTERVAL_MS: '100', SWA_BATCH_THREADS: '1' };
    const env = {
      ...common,
      SWA_STORE: 's3://commands/one',
      SWA_STORE_ENDPOINT: server.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    const shared = setUp(env);
    const alone = setUp(common);
    const facts = Array.from({ length: 200 }, (_, i) => ({
      type: 'pageview',
      visitor: `cookie:${i % 50}`,
      url: `https://example.org/${i % 7}`,
      timestamp: new Date(Date.UTC(2026, 2, 1) + i * 60_000).toISOString(),
      eventId: `event-${i}`,
    }));
    const path = join(shared.dir, 'facts.ndjson');
    writeFileSync(path, facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
    const made: z.infer<typeof viewSchema>[] = [];
    for (const { swa, dataDir } of [alone, shared]) {
      const imported = await swa(['import', path]);
      assert.equal(imported.code, 0, imported.stderr);
      const sink = spawn(process.execPath, [assetPath('bin/swa'), 'sink'], {
        env: { ...(swa === shared.swa ? env : common), PATH: process.env['PATH'], SWA_DATA_DIR: dataDir },
        stdio: 'ignore',
      });
      const ended = once(sink, 'exit');
      try {
        const run = await eventually('a run', async () => {
          const tried = await swa(['batch', 'run', '--json']);
          return tried.code === 0 ? tried : undefined;
        });
        made.push(viewSchema.parse(JSON.parse(run.stdout)));
      } finally {
        sink.kill('SIGTERM');
        await ended;
      }
    }
    assert.equal(made[1]?.contentHash, made[0]?.contentHash);
    const folder = join(shared.dataDir, 'master', 'pageviews', 'p0');
    const files = readdirSync(folder).filter((name) => name.endsWith('.parquet'));
    assert.ok(files.length > 0);
    for (const name of files) rmSync(join(folder, name));
    const verified = await shared.swa(['verify', '--json']);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const { ok, findings, views } = verifySchema.parse(JSON.parse(verified.stdout));
    assert.deepEqual([ok, findings, views.recounted], [true, [], made[1]?.id]);
    for (const name of files) rmSync(join(folder, name), { force: true });
    const exported = await shared.swa(['export']);
    assert.equal(exported.stdout.trimEnd().split('\n').length, 200, exported.stderr);
    const refused = await shared.swa(['recover']);
    assert.match(refused.stderr, /^config\.invalid: SWA_STORE is set/m);
  },
);
