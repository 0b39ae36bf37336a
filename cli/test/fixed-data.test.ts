/**
 * A fixed data set, imported, recomputed, queried and verified by the `swa` command. Its batch view has the same content under every
 * version of Node (test/nodes/ runs this file under others), so no rule or sort depends on the runtime's tables.
 *
 * An intended change of rules, the batch layer or the view format changes `expectedHash`: run `npm test -- fixed-data`, find out why
 * the hash changed, and update it from the failure message.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { hourMs } from '../../lib/time/buckets.js';
import { setUp } from './swa-command.js';

const expectedHash = 'a8f23851ef509891f2f62bc7adca439b17a3d107b963342d544d69eacb1522c1';

const hosts = [
  'ẞ.example',
  'Ⴀ.example',
  'xn--zca.example',
  'Bücher.Example.',
  'e.org:80',
  '0x7f.1',
  '[2001:DB8::1]',
];
const hostsOfDomains = [
  'foo-.blogsite.com',
  'a_b.blogsite.com',
  'www.someone.github.io',
  'президент。рф',
  'localhost:3000',
];
const paths = [
  '/a^b',
  '/a%5eb',
  '/a|b',
  '/ä/%C3%A4',
  '/%e4',
  '/x/../y/;sid=1',
  '/100%',
  '/%7Eu',
  "/(')",
  '/\u{1f600}',
  '/q?q=a+b',
  '',
];
const visitors = [
  'cookie:ж',
  'cookie:\u{1f600}',
  'cookie:ａ',
  'cookie:é',
  'cookie:e\u0301',
  'user:ẞ',
  'user:ß',
  'cookie:z',
  'cookie:Z',
];
const agents = [
  undefined,
  'Mozilla/5.0 (X11; Linux x86_64)',
  'Googlebot/2.1 (+http://www.google.com/bot.html)',
];
const hour0 = Date.UTC(2024, 1, 29, 22) / hourMs;

/** Pageviews of every host and path by visitors in turn, and three equiv edges, one of which is retracted. */
function facts(): object[] {
  const urls = [...hosts, ...hostsOfDomains].flatMap((host) => paths.map((path) => `http://${host}${path}`));
  const pageviews = urls.flatMap((url, i) =>
    [0, 1, 2].map((k) => ({
      type: 'pageview',
      visitor: visitors[(i * 5 + k * k) % visitors.length],
      url,
      timestamp: (hour0 + ((i * 7 + k) % 50)) * hourMs + i * 1_000 + k,
      eventId: `${i}-${k}`,
      userAgent: agents[(i + k) % agents.length],
    })),
  );
  const edges = [
    edge('equiv', 'cookie:ж', 'user:ẞ', hour0 * hourMs),
    edge('equiv', 'cookie:ａ', 'cookie:\u{1f600}', hour0 * hourMs + 1),
    edge('equiv', 'cookie:z', 'cookie:Z', hour0 * hourMs + 2),
    edge('retract', 'cookie:Z', 'cookie:z', hour0 * hourMs + 3),
  ];
  return [...pageviews, ...edges];
}

function edge(type: string, a: string, b: string, timestamp: number): object {
  return { type, a, b, timestamp, eventId: `${type}-${timestamp}` };
}

const countsSchema = z.object({ accepted: z.number() });
const viewSchema = z.object({
  contentHash: z.string(),
  counts: z.object({ pageviews: z.number(), mappedIds: z.number() }),
});
const answerSchema = z.object({
  data: z.object({ visitors: z.number() }),
  accuracy: z.object({ exact: z.boolean() }),
});
const auditSchema = z.object({ ok: z.boolean(), views: z.object({ recounted: z.string().optional() }) });

test('the view of a fixed data set has the same content under every version of Node, and verifies', async (t) => {
  t.diagnostic(
    `Node ${process.version}, Unicode ${process.versions['unicode']}, ICU ${process.versions['icu']}`,
  );
  const { dir, swa } = setUp({ SWA_DIMENSIONS: 'source,browser' }); // so that a further dimension changes nothing here
  const run = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await swa(args, { SWA_URL_QUERY_ALLOW: 'q' });
    assert.equal(code, 0, `swa ${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const all = facts();
  for (const [name, lines] of Object.entries({ facts: all, repeats: all.slice(0, 40) })) {
    const file = join(dir, `${name}.ndjson`);
    writeFileSync(file, lines.map((fact) => JSON.stringify(fact)).join('\n'));
    const counts = await run('import', '--format', 'ndjson', '--json', file);
    assert.equal(countsSchema.parse(counts).accepted, lines.length);
  }
  const view = viewSchema.parse(await run('batch', 'run', '--json'));
  assert.equal(view.counts.mappedIds, 2);

  const from = new Date(hour0 * hourMs).toISOString();
  const to = new Date((hour0 + 60) * hourMs).toISOString();
  const ask = async (url: string): Promise<number> => {
    const answer = answerSchema.parse(
      await run('query', 'uniques', '--url', url, '--from', from, '--to', to),
    );
    assert.ok(answer.accuracy.exact);
    return answer.data.visitors;
  };
  assert.equal(await ask('https://none.example/'), 0);
  const spellings = ['http://ẞ.example/a^b', 'http://xn--zca.example:80/a%5Eb'];
  const [one, other] = await Promise.all(spellings.map(ask));
  assert.ok(one !== undefined && one > 2, `${one} visitors`);
  assert.equal(one, other);

  const audit = auditSchema.parse(await run('verify', '--json'));
  assert.ok(audit.ok);
  assert.ok(audit.views.recounted?.startsWith('v000001-'));
  assert.equal(view.contentHash, expectedHash, 'see the head of this file');
});
