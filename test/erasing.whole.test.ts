/** Erasing in the whole system: asked for over HTTP, followed to its end, and then looked for in every file while everything runs. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { idsOfPersonNow } from '../cli/persons.js';
import { rollBack } from '../serving/store.js';
import { edge, ids, question, view, views } from './erased-facts.js';
import { eventually } from './eventually.js';
import { findTexts } from './find-ids.js';
import { runBatch, startTestSystem, untilAllCounted } from './running-system.js';

const erasureSchema = z.looseObject({ id: z.string(), state: z.string(), ids: z.number() });

test('a person is erased from answers and files of a running system', async (t) => {
  const swa = await startTestSystem(t);
  const post = async (body: object): Promise<Response> =>
    fetch(`${swa.system.origin}/v1/erasures`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  await swa.send([...views(0), edge(ids[0], ids[2]), edge('cookie:2', 'user:4')]);
  await untilAllCounted(swa);
  const first = await runBatch(swa);
  // After the cut: the edges stand in the realtime stores, and live identity knows them.
  await swa.send([edge(ids[1], ids[2]), edge('cookie:3', 'user:4'), view(ids[1], 99)]);
  await untilAllCounted(swa);
  const { dataDir } = swa.config;
  writeFileSync(join(dataDir, 'rejected', 'some.ndjson'), `{"line":"${ids[0]}"}\n`);
  const before = await findTexts(dataDir, ids);
  assert.ok(
    before.some((file) => file.startsWith('speed/')) && before.some((file) => file.startsWith('log/')),
  );

  const { ids: told, asOf } = await idsOfPersonNow(swa.config, ids[0]);
  assert.deepEqual([told.toSorted(), asOf], [ids.toSorted(), 'now'], 'what `swa erase` shows');
  const preview = await post({ person: ids[0], preview: true });
  assert.deepEqual(await preview.json(), { ids: ids.toSorted(), warning: null });
  const asked = await post({ person: ids[0] });
  assert.equal(asked.status, 202);
  const { id, ids: count } = erasureSchema.parse(await asked.json());
  assert.equal(count, ids.length);
  const receipt = await eventually('the erasure is done', async () => {
    const report = erasureSchema.parse(await (await swa.get(`/v1/erasures/${id}`)).json());
    return report.state === 'done' ? report : undefined;
  });
  assert.deepEqual(await findTexts(dataDir, ids), []);
  assert.match(JSON.stringify(receipt), /parquet.*segment/);
  const { data, accuracy } = await swa.ask(question);
  assert.deepEqual(
    [data.visitors, accuracy.exact],
    [1, true],
    'cookie:2, cookie:3 and user:4 are one person',
  );
  await assert.rejects(rollBack(dataDir, first as Parameters<typeof rollBack>[1]), {
    code: /view\.(missing|refused)/,
  });

  await swa.send([...views(0), edge(ids[0], 'cookie:2')]);
  await untilAllCounted(swa);
  assert.equal((await swa.ask(question)).data.visitors, 1, 'facts that come again count nothing');
  await runBatch(swa);
  assert.equal((await swa.ask(question)).data.visitors, 1);
});
