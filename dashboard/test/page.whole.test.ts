/** The page in a real Chromium, over an API that can be empty, fail, want a key or fall silent on demand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { HttpProblem } from '../../lib/http/problem.js';
import { loaded, pageOverApi, shop, skip } from './page.js';

const { api, open, openBlank } = pageOverApi();

const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();
const digits = (shown: string): number => Number(shown.replaceAll(/[^\d.]/g, ''));
const visitors = async (page: Page): Promise<number> => digits(await text(page, '#visitors-value'));

const said = (facts: number): string => `${facts.toLocaleString('en')} facts`;

async function showsVisitors(page: Page, expected: number): Promise<void> {
  await page.locator(`#visitors-value:text-is("${expected.toLocaleString('en')}")`).waitFor();
}

test(
  'the page shows exactly the numbers of the API, and the browser reports no errors',
  { skip },
  async (t) => {
    const { page, complaints } = await open(t);
    await page.waitForSelector(loaded);
    const uniques = await api.again('/v1/uniques');
    const pageviews = await api.again('/v1/pageviews');
    assert.equal(await visitors(page), uniques.data.visitors);
    assert.equal(digits(await text(page, '#pageviews-value')), pageviews.data.pageviews);
    assert.match(
      await text(page, '#visitors-detail'),
      /^95 % between [\d,]+ and [\d,]+; new identity links may lower it by up to 3 and raise it by up to 1$/,
    );
    assert.equal(await text(page, '#bounce-value'), '41.3%');
    assert.equal(await text(page, '#per-visit-value'), '2.31');
    assert.equal(await text(page, '#duration-value'), '4 min 32 s');
    await page.waitForSelector('#live[data-mood=live]');
    assert.match(await text(page, '#freshness'), /^Batch through .* live to /);
    assert.equal(await page.locator('.chart canvas').count(), 2);
    assert.equal(await page.locator('#layers tbody th').count(), 5);
    assert.match(await text(page, '#layers'), /batch\.failed: step persons ran out of memory/);
    assert.deepEqual(complaints, []);
  },
);

test('facts that were lost are named, and figures without them are not called live', { skip }, async (t) => {
  api.does.skippedOffsets = 1234;
  const { page } = await open(t);
  await page.waitForSelector('#live[data-mood=incomplete]');
  assert.match(await text(page, '#freshness'), /1,234 facts of this time or earlier were lost/);
});

test('each chart has a table with the same figures', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  for (const [name, field] of [
    ['uniques', 'visitors'],
    ['pageviews', 'pageviews'],
  ] as const) {
    await page.click(`#${name}-toggle`);
    const shown = await page.locator(`#${name}-table tbody td:nth-child(2)`).allInnerTexts();
    const { data } = await api.again(`/v1/${name}`);
    assert.deepEqual(
      shown.map(digits),
      data.series?.map((bucket) => bucket[field]),
    );
    assert.equal(await page.locator(`#${name}-chart`).isVisible(), false);
  }
});

test('new facts show without a reload, and nothing new costs only 304s', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  const shown = await visitors(page);
  api.does.extra = 7;
  await showsVisitors(page, shown + 7);
  const askedSoFar = api.asked.length;
  await page.waitForResponse(
    (response) => response.url().includes('/v1/uniques') && response.status() === 304,
  );
  const asked = api.asked.slice(askedSoFar).filter((line) => line.includes('/v1/uniques'));
  assert.ok(
    asked.every((line) => line.startsWith('304')),
    asked.join('\n'),
  );
  assert.equal(await visitors(page), shown + 7);
});

test(
  'a hidden or paused page sends no requests, and sends one as soon as it is visible again',
  { skip },
  async (t) => {
    const { page } = await openBlank(t);
    await page.clock.install();
    await page.goto(api.origin + shop);
    await page.waitForSelector('#live[data-mood=live]');
    const setHidden = (hidden: boolean): Promise<unknown> =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
      document.dispatchEvent(new Event('visibilitychange'));`);
    const askedInAMinute = async (): Promise<number> => {
      const askedSoFar = api.asked.length;
      await page.clock.runFor(60_000);
      return api.asked.length - askedSoFar;
    };
    await setHidden(true);
    assert.equal(await askedInAMinute(), 0);
    const shown = page.waitForResponse(/v1\/uniques/);
    await setHidden(false);
    await shown;
    await page.click('#live');
    assert.equal(await page.getAttribute('#live', 'aria-pressed'), 'false');
    assert.equal(await text(page, '#live-text'), 'Paused');
    assert.equal(await askedInAMinute(), 0);
    const resumed = page.waitForResponse(/v1\/uniques/);
    await page.click('#live');
    await resumed;
    await page.waitForSelector('#live[data-mood=live]');
  },
);

test(
  'a server that stops answering is reported, the last figures stay, and its return is noticed',
  { skip },
  async (t) => {
    const { page } = await open(t);
    await page.waitForSelector(loaded);
    const shown = await visitors(page);
    api.does.silent = true;
    await page.waitForSelector('#live[data-mood=offline]');
    assert.match(await text(page, '#notice'), /cannot be reached.*swa start/s);
    assert.equal(await visitors(page), shown);
    assert.equal(await page.locator('#report[data-stale]').count(), 1);
    api.does.silent = false;
    await page.waitForSelector('#live[data-mood=live]');
    assert.equal(await text(page, '#notice'), '');
    assert.equal(await page.locator('#report[data-stale]').count(), 0);
  },
);

test(
  "the page opens in the visitor's own zone where the buckets can show it, else in UTC",
  { skip },
  async (t) => {
    for (const [bucketMinutes, zone] of [
      [60, 'UTC'],
      [30, 'Asia/Calcutta'],
    ] as const) {
      api.does.bucketMinutes = bucketMinutes;
      const { page } = await open(t, '/?domain=shop.example&range=24h&compare=off', {
        zone: 'Asia/Calcutta',
      });
      await page.waitForSelector(loaded);
      assert.equal(await page.inputValue('#zone'), zone);
    }
  },
);

test('a refusal is shown in the words of the server, with buttons that fix it', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&tz=Asia/Kolkata');
  const cases: readonly (readonly [HttpProblem, string, RegExp])[] = [
    [new HttpProblem('unsupported-time-zone', 'Asia/Kolkata is 330 minutes off'), 'Use UTC', /tz=UTC/],
    [
      new HttpProblem('range-too-fine', 'the range has too many', { extra: { suggestion: 'week' } }),
      'Show weeks',
      /by=week/,
    ],
    [
      new HttpProblem('unaligned-range', 'nearest are', {
        extra: { nearest: [{ from: '2026-11-22T10:00:00Z', to: '2026-11-22T12:00:00Z' }] },
      }),
      'Show 2026-11-22 10:00 to 2026-11-22 12:00',
      /from=2026-11-22T10%3A00&to=2026-11-22T12%3A00/,
    ],
    [new HttpProblem('empty-range', 'from lies after to'), 'Show the last 24 hours', /range=24h/],
    [
      new HttpProblem('invalid-parameter', 'a host', {
        parameter: 'domain',
        extra: { suggestion: 'b.example' },
      }),
      'Show b.example',
      /domain=b\.example/,
    ],
  ];
  for (const [problem, button, address] of cases) {
    api.does.problem = problem;
    await page.getByText(problem.message, { exact: true }).waitFor();
    await page.waitForSelector('#layers tbody tr');
    api.does.problem = undefined;
    await page.click(`#notice button:text-is("${button}")`);
    await page.waitForSelector(loaded);
    await page.waitForSelector('#notice:empty', { state: 'attached' });
    assert.match(page.url(), address);
  }
});

test(
  'requests to a server with keys carry the key the reader enters, which stays in the session',
  { skip },
  async (t) => {
    api.does.key = 'right';
    const { page } = await open(t);
    await page.waitForSelector('#key-dialog[open]');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The server does not accept this key.').waitFor();
    await page.keyboard.type('right');
    await page.keyboard.press('Enter');
    await page.waitForSelector(loaded);
    assert.equal(await page.locator('#key-dialog[open]').count(), 0);
    assert.doesNotMatch(page.url(), /right/);
    assert.equal(await page.evaluate("JSON.stringify(localStorage).includes('right')"), false);
    await page.reload();
    await page.waitForSelector(loaded);
    await page.click('#forget-key');
    await page.waitForSelector('#key-dialog[open]');
  },
);

test(
  'a shared link with a key of one domain shows that domain, without layers, and leaves no key in the address',
  { skip },
  async (t) => {
    Object.assign(api.does, { key: 'right', keyDomain: 'shop.example', domains: ['shop.example'] });
    const { page, complaints } = await open(t, '/#key=right');
    await page.waitForSelector(loaded);
    assert.equal(await page.locator('#key-dialog[open]').count(), 0);
    assert.doesNotMatch(page.url(), /right/);
    assert.match(page.url(), /domain=shop\.example/);
    assert.equal(await page.locator('#layers-card').isVisible(), false);
    assert.equal(await text(page, '#notice'), '');
    assert.ok(api.asked.every((line) => !line.includes('/v1/batches')));
    assert.deepEqual(complaints, []);
  },
);

test('a fresh system says what to run, and fills when the first fact comes', { skip }, async (t) => {
  api.does.domains = [];
  const { page, complaints } = await open(t, '/');
  await page.waitForSelector('#welcome:not([hidden])');
  const welcome = await text(page, '#welcome');
  for (const command of ['bin/swa generate', 'bin/swa import', `curl ${api.origin}/v1/events`]) {
    assert.ok(welcome.includes(command), command);
  }
  assert.equal(await page.locator('#report').isVisible(), false);
  api.does.domains = ['first.example'];
  await page.waitForSelector(loaded);
  assert.equal(await page.inputValue('#domain'), 'first.example');
  assert.equal(await page.locator('#welcome').isVisible(), false);
  assert.deepEqual(complaints, []);
});

test('a range, domain or page without views says which it is and what to do', { skip }, async (t) => {
  api.does.available = { from: Date.UTC(2004, 1, 2, 8), to: Date.UTC(2015, 4, 20, 22) };
  const { page } = await open(t, `${shop}&by=hour`);
  await page.getByText('No pageviews in this range').first().waitFor();
  await page.click('#notice button:text-is("Show 2 Feb 2004, 08:00 – 20 May 2015, 22:00")');
  await page.waitForSelector('#notice:empty', { state: 'attached' });
  assert.match(page.url(), /from=2004-02-02T08%3A00&to=2015-05-20T22%3A00&compare=off&tz=UTC$/);
  assert.ok((await visitors(page)) > 0);
  api.does.emptyReason = 'unknown-url';
  await page.getByText('No data for this page').waitFor();
  api.does.emptyReason = 'unknown-domain';
  await page.getByText('No data for shop.example').waitFor();
  api.does.emptyReason = undefined;
  await page.waitForSelector('#notice:empty', { state: 'attached' });
});

test('opened without a range, the page goes to older views when today has none', { skip }, async (t) => {
  const last = Date.UTC(2015, 4, 20, 20);
  api.does.available = { from: Date.UTC(2015, 4, 17, 10), to: last };
  const { page } = await open(t, '/?compare=off&tz=Europe/Berlin');
  await page.getByText('No pageviews in the last 24 hours').first().waitFor();
  assert.match(await text(page, '#notice'), /17 May 2015, 12:00 – 20 May 2015, 22:00/);
  assert.ok((await visitors(page)) > 0);
  assert.equal(await page.inputValue('#from'), '2015-05-17T12:00');
  const answered = await api.again('/v1/uniques');
  assert.equal(await visitors(page), answered.data.visitors);

  // An import goes on: the page follows, and shows the last week of what is more than a month.
  api.does.available = { from: Date.UTC(2015, 2, 1), to: last + 24 * 3_600_000 };
  await page.getByText('14 May 2015, 22:00 – 21 May 2015, 22:00').first().waitFor();
  assert.match(page.url(), /from=2015-05-14T22%3A00&to=2015-05-21T22%3A00/);
  const whole = 'Show 1 Mar 2015, 01:00 – 21 May 2015, 22:00';
  await page.locator(`#notice button:text-is("${whole}")`).waitFor();

  // New views do not move a page that is being read.
  api.does.available = undefined;
  await page.getByText('New pageviews have arrived').first().waitFor();
  assert.match(page.url(), /to=2015-05-21T22%3A00/);
  await page.click('#notice button:text-is("Show the last 24 hours")');
  await page.waitForSelector('#notice:empty', { state: 'attached' });
  assert.match(page.url(), /range=24h/);
});

test('text that came from outside is never markup', { skip }, async (t) => {
  api.does.paths = { 1: '"><img src=x onerror=alert(1)>' };
  const { page, complaints } = await open(t);
  await page.waitForSelector(loaded);
  await page.click('#page');
  await page.waitForSelector('#page-list [role=option]');
  assert.match(await text(page, '#pages-card'), /<img src=x onerror=alert\(1\)>/);
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(complaints, []);
});

test(
  'a breakdown has a tab for each dimension that the server keeps, and rows equal to the API’s',
  { skip },
  async (t) => {
    const { page, complaints } = await open(t);
    await page.waitForSelector(loaded);
    assert.deepEqual(await page.locator('#breakdown-card [role=tab]').allInnerTexts(), ['Colours', 'Tastes']);
    const rows = page.locator('#breakdown-panel tbody tr');
    assert.equal(await rows.count(), 10);
    assert.deepEqual(await rows.first().locator('th, td').allInnerTexts(), [
      'colour 0',
      '6,100',
      '12,200',
      '5,917 – 6,283',
    ]);
    assert.match(
      await text(page, '#breakdown-panel'),
      /The 10 with the most visitors; there are 12,345 more/,
    );
    assert.equal(await text(page, '#breakdown-hint'), 'Colour of the visit.');

    // By keyboard: one tab is in the tab order, arrows go round.
    await page.focus('#breakdown-colour');
    await page.keyboard.press('ArrowLeft');
    await page.locator('#breakdown-panel:not([data-stale]) .name:text-is("taste 0")').waitFor();
    assert.equal(await page.locator('#breakdown-taste').getAttribute('aria-selected'), 'true');
    assert.equal(await page.locator('#breakdown-colour').getAttribute('tabindex'), '-1');
    assert.match(page.url(), /dimension=taste/);
    await page.reload();
    await page.locator('#breakdown-panel .name:text-is("taste 0")').waitFor();
    assert.ok(!api.asked.slice(-8).some((line) => line.includes('by=colour')));

    await page.click('#pages-card tbody tr:nth-child(2) button');
    await page.getByText('Taste of the visit. Of the whole domain, not of the page alone.').waitFor();
    api.does.valuesMissing = 'dimension-not-counted-yet';
    await page.getByText('Not counted yet: the next batch run counts it over all history.').waitFor();
    api.does.valuesMissing = 'no-values-in-range';
    await page.getByText('No pageview in this range has a value here.').waitFor();
    assert.deepEqual(complaints, []);
  },
);

test('a server that keeps no dimension is asked for no breakdown', { skip }, async (t) => {
  api.does.dimensions = [];
  const { page } = await open(t, `${shop}&dimension=colour`);
  await page.waitForSelector(loaded);
  assert.equal(await page.locator('#breakdown-card').isVisible(), false);
  assert.deepEqual(
    api.asked.filter((line) => line.includes('/v1/breakdown')),
    [],
  );
});

test('the page shows the lambda architecture at work, and what does not count', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector('#flow-query');
  const box = (id: string): Promise<string> => text(page, `#flow-${id}`);
  const [batch, answered] = [8_123 + 210_532 + 208_441, 8_177 + 212_004 + 209_900];
  assert.ok((await box('log')).includes(said(answered + 12)));
  assert.ok((await box('batch')).includes(said(batch)));
  assert.ok((await box('realtime')).includes(said(answered - batch)));
  assert.match(await box('realtime'), /Hand-over: the next one catches up behind the new batch view/);
  assert.match(await box('topology'), /810 trees acked[^]*The acker saw 1 trees fail and 1 time out/);
  assert.ok((await box('query')).includes(said(answered)));
  assert.match(await box('master'), /201 behind the log/);
  const rows = await page.locator('#uncounted tbody tr').allInnerTexts();
  assert.deepEqual(
    rows.map((row) => row.split('\t').map((cell) => cell.trim())),
    [
      ['Pageviews of known bots', '4,321', '5'],
      ['Repeats', '17', '2'],
      ['URLs that the rules refuse', '0', '3'],
      ['Records that are not valid facts', '0', '4'],
      ['Rejected at the door since its start (url 6, visitor 3)', '–', '9'],
    ],
  );
});

test('the page shows how live identity changed the answer, and what is only bounded', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  assert.equal(
    await text(page, '#flow-query #live-identity'),
    'Logins since the batch view: 2 people are counted as another one already. ' +
      'Not worked out until the next run, only bounded: the visitors shown may be up to 3 too many or 1 too few.',
  );
});

test(
  'where pages were counted without cookies, the page says for how long visitors are recognised',
  { skip },
  async (t) => {
    const { page } = await open(t);
    await page.waitForSelector(loaded);
    assert.equal(await page.locator('#visitor-scope').isVisible(), false);
    api.does.isCookieless = true;
    await page.waitForSelector('#visitor-scope:not([hidden])');
    assert.match(await text(page, '#visitor-scope'), /within one UTC day only/);
  },
);

/** What the page asked about people now so far. */
const askedNow = (): readonly string[] => api.asked.filter((line) => line.includes('/v1/now'));

test('people now: a number, and behind it the pages, asked every ten seconds', { skip }, async (t) => {
  const { page, complaints } = await openBlank(t);
  await page.clock.install();
  await page.goto(api.origin + shop);
  await page.getByText('4 people now', { exact: true }).waitFor();
  await page.click('#now summary');
  assert.deepEqual(await page.locator('#now tbody tr').allInnerTexts(), ['/\t3', '/about\t2']);
  assert.match(await text(page, '#now .card'), /in the last five minutes, on any page of shop\.example/);
  await page.click('#now button:text-is("curl")');
  assert.match(await text(page, '#now .command'), /v1\/now\?domain=shop\.example&limit=10'/);
  const soFar = askedNow().length;
  for (let second = 0; second < 35; second++) {
    await page.clock.runFor(1_000);
    await page.evaluate("fetch('/v1/status').then((response) => response.text())"); // time for answers
  }
  const times = askedNow().length - soFar;
  assert.ok(times >= 2 && times <= 4, String(times));
  assert.deepEqual(complaints, []);
});

test('people now: a refused request is not repeated until the reader asks for it', { skip }, async (t) => {
  api.does.nowProblem = new HttpProblem('forbidden', 'this key may not ask who is here');
  const { page } = await openBlank(t);
  await page.clock.install();
  await page.goto(api.origin + shop);
  const failure = page.locator('#now-failure');
  await failure.getByText('this key may not ask who is here. Not asked for any more.').waitFor();
  assert.equal(await text(page, '#now-count'), 'People now: not known');
  assert.equal(await text(page, '#notice'), '');
  const release = api.hold(); // no other round comes to an end, so the server is not found to be back
  const soFar = askedNow().length;
  await page.clock.runFor(60_000);
  assert.equal(askedNow().length, soFar);
  api.does.nowProblem = undefined;
  await page.click('#now-failure button');
  await page.getByText('4 people now', { exact: true }).waitFor();
  assert.equal(await failure.isVisible(), false);
  release();
});

test('people now: a failing request is tried three times in all', { skip }, async (t) => {
  api.does.nowProblem = new HttpProblem('not-ready', 'the log is being read');
  const { page } = await openBlank(t);
  await page.clock.install();
  await page.goto(api.origin + shop);
  await page.locator('#now-failure').getByText('the log is being read. Trying again.').waitFor();
  const release = api.hold();
  while (!(await text(page, '#now-failure')).includes('Not asked for any more'))
    await page.clock.runFor(10_000);
  await page.clock.runFor(120_000);
  assert.equal(askedNow().length, 3);
  release();
});
