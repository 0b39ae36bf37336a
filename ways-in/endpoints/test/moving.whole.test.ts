/** docs/moving.md: its sites file is valid, and its commands import the exports of other trackers. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { setUp } from '../../../cli/test/swa-command.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { assetText } from '../../../lib/files/assets.js';
import { tempDir } from '../../../test/temp-dir.js';
import { accepts, readSites, type Tracker } from '../../sites/site.js';

const text = assetText('docs/moving.md');
const commands = [...text.matchAll(/^swa (import .*)$/gm)].map(([, line = '']) => line.split(' '));

const exported: Readonly<Record<string, Buffer>> = {
  'website_event.csv': Buffer.from(
    `website_id,session_id,event_id,hostname,url_path,url_query,referrer_domain,event_type,event_name,created_at
w,6f1c0b1e-0000-4000-8000-000000000001,e1,shop.example,/a,utm_source=x,search.example,1,,2026-03-10 12:00:00
w,6f1c0b1e-0000-4000-8000-000000000001,e2,shop.example,/a,,,2,buy,2026-03-10 12:01:00
`,
  ),
  'goatcounter-export.csv.gz': gzipSync(
    `2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date
/a,A,false,,Firefox 140,Linux,2a1b3c4d5e6f70812a1b3c4d5e6f7081,0,https://search.example/,h,"1920,1080,1",NL,true,2026-03-10T12:00:00Z
buy,Buy,true,,Firefox 140,Linux,2a1b3c4d5e6f70812a1b3c4d5e6f7081,0,,,,NL,false,2026-03-10T12:02:00Z
`,
  ),
};

test('the file of sites can be used, and names every tracker', () => {
  const [, json = ''] = /^```json\n([^]*?)^```$/m.exec(text) ?? [];
  const path = join(tempDir('moving'), 'sites.json');
  writeFileSync(path, json);
  const [site, ...more] = readSites(path, new UrlRules()).all;
  assert.ok(site !== undefined && more.length === 0);
  const trackers = Object.keys(site.trackers) as Tracker[];
  assert.equal(trackers.length, 4);
  for (const tracker of trackers) {
    assert.ok(accepts(site, tracker), tracker);
    assert.match(text, new RegExp(`^## ${tracker}$`, 'im'));
  }
});

test('exports are imported by the commands as they stand: pageviews, and no events', async () => {
  assert.equal(commands.length, 2);
  const { swa, dir } = setUp();
  for (const command of commands) {
    const name = command.at(-1) ?? '';
    const path = join(dir, name);
    writeFileSync(path, exported[name] ?? '');
    const { code, stdout, stderr } = await swa([...command.slice(0, -1), path, '--json']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /"accepted": ?1\b/, stdout);
  }
});
