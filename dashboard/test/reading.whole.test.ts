/** What the page is like to read and to type into: names, dates, loading, and questions asked no more often than thought. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpProblem } from '../../lib/http/problem.js';
import type { FakeBody } from './fake-api.js';
import { loaded, pageOverApi, shop, skip } from './page.js';

const { api, open, openBlank } = pageOverApi();

test(
  'URLs are shown decoded for people, with the scheme only where it distinguishes two',
  { skip },
  async (t) => {
    const long = `https://www.xn--mnchen-3ya.example/${'lang/'.repeat(400)}ende`;
    api.does.paths = {
      1: 'http://www.xn--mnchen-3ya.example/stra%C3%9Fe',
      2: 'https://www.xn--mnchen-3ya.example/stra%C3%9Fe',
      3: 'https://www.xn--mnchen-3ya.example/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82',
      4: long,
      // What would read as something else stays as it is: a slash, a percent sign, spaces, a turned direction, broken UTF-8.
      5: 'https://www.xn--mnchen-3ya.example/a%2Fb%2541%20c%E2%80%AEd%FF',
      6: 'https://www.xn--zzzzzz-.example/', // no punycode
    };
    const { page } = await open(t, '/?domain=xn--mnchen-3ya.example&range=24h&tz=UTC');
    await page.waitForSelector(loaded);
    assert.equal(await page.locator('h1').innerText(), 'münchen.example');
    assert.equal(await page.inputValue('#domain'), 'münchen.example');
    const names = await page.locator('#pages-card tbody th').allInnerTexts();
    assert.deepEqual(names.slice(0, 7), [
      'www.münchen.example/',
      'http://www.münchen.example/straße',
      'https://www.münchen.example/straße',
      'www.münchen.example/привет',
      `${long.replace('xn--mnchen-3ya', 'münchen').slice(8, 50)}…${long.slice(-26)}`,
      'www.münchen.example/a%2Fb%2541%20c%E2%80%AEd%FF',
      'www.xn--zzzzzz-.example/',
    ]);
    const folded = page.locator('#pages-card tbody tr:nth-child(5) button');
    assert.equal(await folded.getAttribute('title'), long);
    await folded.click();
    await page.locator('h1', { hasText: 'lang/lang/lang' }).waitFor();
    assert.equal(new URL(page.url()).searchParams.get('url'), long);
  },
);

test('names that would become equal are not shortened', { skip }, async (t) => {
  const [head, tail] = ['kopf'.repeat(20), 'fuss'.repeat(20)];
  api.does.paths = { 1: `${head}a${tail}`, 2: `${head}b${tail}` };
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  const names = await page.locator('#pages-card tbody th').allInnerTexts();
  assert.deepEqual(names.slice(1, 3), [`/${head}a${tail}`, `/${head}b${tail}`]);
});

test('a word typed quickly is one request, and Enter waits for its answer', { skip }, async (t) => {
  const { page } = await openBlank(t);
  await page.clock.install();
  await page.goto(api.origin + shop);
  await page.waitForSelector(loaded);
  await page.click('#domain');
  await page.waitForSelector('#domain-list [role=option]');
  const before = api.asked.length;
  const word = page.waitForRequest(/v1\/domains\?contains=/);
  await page.clock.pauseAt(Date.now() + 60_000); // keys are slow on a machine with much to do
  await page.keyboard.type('new');
  await page.keyboard.press('Enter'); // before the pause after which suggestions are asked for
  assert.match((await word).url(), /contains=new&/);
  await page.locator('h1:text-is("news.example")').waitFor();
  const asked = api.asked.slice(before).filter((line) => line.includes('/v1/domains'));
  assert.equal(asked.length, 1, asked.join('\n'));
});

test(
  'Enter waits for suggestions that are on their way, and takes none of the older ones',
  { skip },
  async (t) => {
    const { page } = await open(t);
    await page.waitForSelector(loaded);
    await page.click('#domain');
    await page.waitForSelector('#domain-list [role=option]');
    let answer: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route(/v1\/domains\?contains=news/, async (route) => {
      await held;
      await route.continue();
    });
    const asked = page.waitForRequest(/v1\/domains\?contains=news/);
    await page.keyboard.type('news');
    await asked;
    await page.keyboard.press('Enter');
    answer?.();
    await page.locator('h1:text-is("news.example")').waitFor();
  },
);

test('every time has its date, and the range is shown above the figures', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&from=2026-03-01T00:00&to=2026-03-02T00:00&tz=UTC');
  await page.waitForSelector(loaded);
  assert.equal(await page.locator('#range-name').innerText(), '1 Mar 2026, 00:00 – 2 Mar 2026, 00:00, UTC');
  const stamp = String.raw`\d{1,2} \w{3} \d{4}, \d\d:\d\d:\d\d`;
  assert.match(
    await page.locator('#freshness').innerText(),
    new RegExp(String.raw`^Batch through ${stamp} · live to ${stamp} \(`),
  );
  assert.match(await page.locator('#runs tbody td').first().innerText(), new RegExp(`^${stamp}$`));
  await page.click('#uniques-toggle');
  assert.equal(await page.locator('#uniques-table tbody th').first().innerText(), 'Sun 1 Mar 2026, 00:00');
});

test(
  'while the page is loading, nothing is shown as live before its figures have arrived',
  { skip },
  async (t) => {
    let answer = api.hold();
    const { page } = await open(t);
    await page.waitForSelector('#layers tbody tr');
    assert.equal(await page.locator('#live-text').innerText(), 'Loading');
    assert.equal(await page.locator('#report[data-loading][aria-busy=true]').count(), 1);
    answer();
    await page.waitForSelector('#live[data-mood=live]');
    assert.equal(await page.locator('#report[data-loading]').count(), 0);

    // Another question: the figures of the one before are marked until its own are there.
    answer = api.hold();
    await page.check('input[name=range][value="7d"]');
    await page.waitForSelector('#report[aria-busy=true]');
    answer();
    await page.waitForSelector(loaded);
  },
);

test('a zone that the buckets do not fit is reported with buttons that leave it', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&range=7d&tz=Asia/Kolkata');
  await page.waitForSelector(loaded);
  api.does.problem = new HttpProblem('unsupported-time-zone', 'Asia/Kolkata is 330 minutes off');
  await page.getByText('Asia/Kolkata is 330 minutes off').first().waitFor();
  assert.deepEqual(await page.locator('#notice button').allInnerTexts(), [
    'Use UTC',
    'Show the last 24 hours in UTC',
  ]);
  api.does.problem = undefined;
  await page.click('#notice button:text-is("Show the last 24 hours in UTC")');
  await page.waitForSelector(loaded);
  assert.match(page.url(), /range=24h&tz=UTC/);
});

test('the period before is shown beside the figures, and can be hidden', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&from=2026-03-08T00:00&to=2026-03-09T00:00&tz=UTC');
  await page.waitForSelector(loaded);
  const asked = api.asked.find((line) => line.includes('/v1/pageviews?')) ?? '';
  assert.match(asked, /&compare=previous$/);
  // One question for both periods, and the earlier one alone for the test.
  const earlier = decodeURIComponent(asked.slice(4))
    .replace('&compare=previous', '')
    .replace('from=2026-03-08T00:00:00+00:00', 'from=2026-03-07T00:00:00Z')
    .replace('to=2026-03-09T00:00:00+00:00', 'to=2026-03-08T00:00:00Z');
  const response = await fetch(`${api.origin}${earlier}`);
  const { data } = (await response.json()) as FakeBody;
  const old = data.series?.map(({ pageviews = 0 }) => pageviews.toLocaleString('en'));
  await page.click('#pageviews-toggle');
  assert.deepEqual(await page.locator('#pageviews-table tbody td:nth-child(3)').allInnerTexts(), old);
  assert.ok(
    (await page.locator('#figures').innerText()).includes(
      `Period before: ${data.pageviews?.toLocaleString('en') ?? ''}`,
    ),
  );
  assert.deepEqual(
    await page.locator('#figures .figure:nth-child(n + 4) .detail:last-child').allInnerTexts(),
    ['Period before: 2.20', 'Period before: 4 min 5 s', 'Period before: 45%'],
  );
  await page.focus('#uniques-chart');
  await page.keyboard.press('End');
  await page.locator('#announcer:has-text("on Sat 7 Mar 2026, 23:00")').waitFor({ state: 'attached' });
  await page.uncheck('#compare');
  await page.waitForURL(/compare=off/);
  await page.locator('#pageviews-table tbody td:nth-child(3):text-is("–")').first().waitFor();
  assert.doesNotMatch(await page.locator('#figures').innerText(), /Period before/);
});

test('a range whose period before begins before 1970 is shown without it', { skip }, async (t) => {
  api.does.oldest = Date.UTC(1970, 0, 1);
  const { page } = await open(t, '/?domain=shop.example&from=1990-01-01T00:00&to=2020-01-01T00:00&tz=UTC');
  await page.waitForSelector(loaded);
  assert.doesNotMatch(await page.locator('#figures').innerText(), /Period before/);
  assert.equal(await page.locator('#notice').innerText(), '');
});

test(
  'where pageviews are kept for a limited time, a range that begins earlier says so',
  { skip },
  async (t) => {
    api.does.keptFrom = Date.UTC(2026, 2, 7, 12);
    const { page } = await open(t, '/?domain=shop.example&from=2026-03-07T00:00&to=2026-03-09T00:00&tz=UTC');
    const note = page.locator('#kept-from');
    await note
      .filter({ hasText: 'this range begins earlier, and counts only those from 7 Mar 2026, 12:00:00 on' })
      .waitFor();
    api.does.keptFrom = Date.UTC(2026, 2, 6);
    await note.filter({ hasText: 'the period before begins earlier' }).waitFor();
    api.does.keptFrom = Date.UTC(2026, 2, 5);
    await note.waitFor({ state: 'hidden' });
  },
);

test('a bucket that has not ended is not joined to the others', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&range=24h&tz=UTC');
  await page.waitForSelector(loaded);
  await page.focus('#uniques-chart');
  await page.keyboard.press('End');
  const said = page.locator('#announcer');
  await page.locator('#announcer:has-text("so far")').waitFor({ state: 'attached' });
  assert.match((await said.textContent()) ?? '', /so far, live part, [\d,]+ on /);
  const joined = await page.evaluate<number>(`(async () => {
    const { columnsOf } = await import('/assets/series-chart.js');
    const point = (phase, value) => ({ phase, value, live: true, lower: value, upper: value, before: undefined });
    const [, , , live, running, lower] = columnsOf([point('past', 9), point('present', 1), point('ahead', 0)], 'line');
    return [live, running, lower].map((column) => column.map((value) => value ?? '-').join('')).join(' ');
  })()`);
  assert.equal(joined, '9-- -1- 9--');
});

test('every panel offers its answer as a file and its request as a command', { skip }, async (t) => {
  const { page, complaints } = await open(t);
  await page.waitForSelector(loaded);
  for (const [card, path, named = ''] of [
    ['figures', '/v1/visits', 'Visits as '],
    ['uniques-card', '/v1/uniques'],
    ['pageviews-card', '/v1/pageviews'],
    ['breakdown-card', '/v1/breakdown'],
    ['pages-card', '/v1/pages'],
  ] as const) {
    await page.click(`#${card} button:text-is("${named}curl")`);
    const command = await page.locator(`#${card} .command code`).innerText();
    const [, url = ''] = /^curl -s '(http[^']+)'$/.exec(command) ?? [];
    assert.equal(new URL(url).pathname, path);
    assert.ok(
      api.asked.some((line) => url.endsWith(line.slice(4))),
      command,
    );
    const accepted = page.waitForRequest(
      async (request) => (await request.headerValue('accept')) === 'text/csv',
    );
    const download = page.waitForEvent('download');
    await page.click(`#${card} button:text-is("${named}CSV")`);
    assert.equal((await accepted).url(), url);
    assert.match((await download).suggestedFilename(), /^[a-z-]+\.csv$/);
  }
  assert.deepEqual(complaints, []);
});
