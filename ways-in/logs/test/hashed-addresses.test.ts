/** Imports store no addresses in data directories created by this version; in earlier ones they still do. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { storedFormat, visitorsNote, type ImportFlags } from '../../../cli/import-flags.js';
import type { Fact } from '../../../facts/fact.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { importFile } from '../../../ingest/import.js';
import { addressKey, hashesAddresses, openDataDir } from '../../../lib/files/data-dir.js';
import { secretPath } from '../../../lib/files/dir-secret.js';
import { formatOf } from '../log-files.js';
import { tempDir } from '../../../test/temp-dir.js';

const flags: ImportFlags = {
  format: 'combined',
  host: 'www.example.org',
  method: 'GET',
  status: '2xx,304',
  maxReject: '1',
};
const lineOf = (address: string, user = '-', agent = 'A'): string =>
  `${address} - ${user} [18/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "${agent}"`;

/** A data directory as an earlier version created it. */
function earlier(dir: string): string {
  const dataDir = join(dir, 'earlier');
  mkdirSync(join(dataDir, 'log'), { recursive: true });
  writeFileSync(join(dataDir, 'log', 'format.json'), '{}');
  writeFileSync(join(dataDir, 'format.json'), '{"layout":1,"lgK":14}');
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 }, () => undefined);
  return dataDir;
}

async function imported(dataDir: string, lines: readonly string[], more: Partial<ImportFlags> = {}) {
  const path = join(dataDir, '..', 'access.log');
  writeFileSync(path, `${lines.join('\n')}\n`);
  const stored = await storedFormat({ ...flags, ...more }, dataDir);
  const facts: Fact[] = [];
  const append = (batch: readonly Fact[]): Promise<void> => {
    facts.push(...batch);
    return Promise.resolve();
  };
  // as a job is stored and read back
  const format = await formatOf(JSON.parse(JSON.stringify(stored)), () => addressKey(dataDir));
  await importFile({
    path,
    format,
    sink: { append },
    urls: new UrlRules(),
    clock: Date.now,
    onRejected: ({ reason }) => assert.fail(reason),
  });
  return facts.map((fact) => ({ id: fact.eventId, visitor: fact.type === 'pageview' ? fact.visitor : '' }));
}

test('a new data directory has a secret of its own and hashes addresses', async () => {
  const dir = tempDir('addresses');
  const dataDir = join(dir, 'new');
  assert.equal(hashesAddresses(dataDir), true, 'before it is made, too');
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  assert.equal(statSync(secretPath(dataDir)).mode & 0o777, 0o600);
  const lines = [
    lineOf('192.0.2.1'),
    lineOf('192.0.2.1', '-', 'B'),
    lineOf('192.0.2.2'),
    lineOf('2001:DB8::1', 'ann'),
  ];
  const facts = await imported(dataDir, lines);
  assert.equal(new Set(facts.map(({ visitor }) => visitor)).size, 4);
  for (const { visitor } of facts) assert.match(visitor, /^ip-agent-hash:[\w-]{22}$/);
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  assert.deepEqual(await imported(dataDir, lines), facts, 'again, and after a restart: the same');
  const other = join(dir, 'other');
  openDataDir({ dataDir: other, lgK: 14, bucketMinutes: 60 });
  const elsewhere = await imported(other, lines);
  for (const [i, { visitor, id }] of facts.entries()) {
    assert.notEqual(elsewhere[i]?.visitor, visitor);
    assert.notEqual(elsewhere[i]?.id, id, 'an eventId does not tell the line to who can guess it');
  }
  const users = await imported(dataDir, [lineOf('192.0.2.1', 'ann'), lineOf('192.0.2.1')], {
    visitor: 'user',
  });
  assert.deepEqual(
    users.map(({ visitor }) => visitor.replace(/:.{22}$/, '')),
    ['user:ann', 'ip-agent-hash'],
  );
  const asked = await imported(dataDir, [lineOf('192.0.2.1')], { visitor: 'ip' });
  assert.equal(asked[0]?.visitor, 'ip:192.0.2.1');
  assert.match(visitorsNote(flags, await storedFormat(flags, dataDir)), /hashed .* no address is kept/);
});

test('a data directory of an earlier version stays with addresses, and says so', async () => {
  const dataDir = earlier(tempDir('addresses'));
  assert.equal(hashesAddresses(dataDir), false);
  assert.equal((await imported(dataDir, [lineOf('192.0.2.1')]))[0]?.visitor, 'ip:192.0.2.1');
  assert.equal(
    (await imported(dataDir, [lineOf('192.0.2.1')], { visitor: 'user' }))[0]?.visitor,
    'ip:192.0.2.1',
  );
  assert.match(visitorsNote(flags, await storedFormat(flags, dataDir)), /addresses as they are/);
  const asked = await imported(dataDir, [lineOf('192.0.2.1')], { visitor: 'ip-agent-hash' });
  assert.match(asked[0]?.visitor ?? '', /^ip-agent-hash:/);
  assert.equal(hashesAddresses(dataDir), false, 'that was for one import');
});

test('a secret that is gone or damaged stops the import: another one would make new visitors of everybody', () => {
  const dataDir = join(tempDir('addresses'), 'new');
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  const secret = readFileSync(secretPath(dataDir), 'utf8');
  writeFileSync(secretPath(dataDir), secret.slice(1));
  assert.throws(() => addressKey(dataDir), /secret is damaged/);
  rmSync(secretPath(dataDir));
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  assert.throws(() => addressKey(dataDir), /secret is missing/);
});

test('a stored format that is not valid is refused by name', async () => {
  await assert.rejects(
    formatOf({ name: 'combined', options: { zone: 7 } }, () => ''),
    { code: 'usage.invalid', message: /options\.zone/ },
  );
});
