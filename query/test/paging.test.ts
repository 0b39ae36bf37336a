import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dimensions } from '../../facts/subjects.js';
import type { HttpProblem } from '../../lib/http/problem.js';
import type { Engine } from '../engine/engine.js';
import { ask, type AskInput } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, show, type FakeOptions, type View } from './fakes.js';
import { engineOver, serve, type Layers } from './server.js';

const hour0 = 480_000;
const domain = 'example.org';
const by = dimensions[0]?.name ?? '';
const range = { from: show(hour0), to: show(hour0 + 30) };

/** Each list with its questions and the names of its rows. */
const lists: readonly {
  readonly name: string;
  readonly input: AskInput;
  readonly namesIn: (data: Readonly<Record<string, unknown>>) => string[];
}[] = [
  {
    name: 'pages',
    input: { domain, ...range },
    namesIn: (data) => (data['pages'] as { url: string }[]).map(({ url }) => url),
  },
  {
    name: 'breakdown',
    input: { domain, by, ...range },
    namesIn: (data) => (data['values'] as { value: string }[]).map(({ value }) => value),
  },
  { name: 'domains', input: {}, namesIn: (data) => data['domains'] as string[] },
];

interface Page {
  readonly names: readonly string[];
  readonly rows: unknown;
  readonly next: string | undefined;
}

async function pageOf(engine: Engine, list: (typeof lists)[number], input: AskInput): Promise<Page> {
  const { body, next } = await ask(engine, list.name, { ...list.input, ...input });
  const { data } = body;
  assert.equal(data['next'], next);
  return { names: list.namesIn(data), rows: data[list.name === 'breakdown' ? 'values' : list.name], next };
}

/** Page by page, with the given sizes in turn. */
async function readAll(
  engine: Engine,
  list: (typeof lists)[number],
  sizes: readonly number[],
  between: (page: number) => void = () => undefined,
): Promise<Page[]> {
  const pages: Page[] = [];
  for (let next: string | undefined; pages.length === 0 || next !== undefined;) {
    if (next !== undefined) between(pages.length);
    const limit = String(sizes[pages.length % sizes.length]);
    const page = await pageOf(engine, list, next === undefined ? { limit } : { limit, cursor: next });
    assert.ok(page.names.length <= Number(limit));
    assert.ok(
      page.next === undefined || page.names.length === Number(limit),
      'a page that is not the last is full',
    );
    pages.push(page);
    assert.ok(pages.length < 200, 'the list has an end');
    next = page.next;
  }
  return pages;
}

const viewArbitrary: fc.Arbitrary<View> = fc
  .record({
    visitor: fc.integer({ min: 0, max: 5 }),
    page: fc.integer({ min: 0, max: 25 }),
    value: fc.constantFrom('direct', 'a.example', 'ü', '\u{1F600}', '\uFF5E', 'c', 'd', 'e', undefined),
    host: fc.constantFrom(domain, domain, domain, 'a.example', 'b.example', 'z.example'),
    hour: fc.integer({ min: 0, max: 40 }),
  })
  .map(({ visitor, page, value, host, hour }) => ({
    visitor: `v${visitor}`,
    url: `https://${host}/${Math.floor(page * page * 0.06)}`,
    hour: hour0 + hour,
    ...(value === undefined ? {} : { values: { [by]: value } }),
  }));
const viewsArbitrary = fc.array(viewArbitrary, { maxLength: 60, size: 'max' });
const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 });
const runs = { numRuns: Number(process.env['RUNS'] ?? 150) }; // a failure prints its seed

test('pages read one after the other are the list as it is read at once', async () => {
  await fc.assert(
    fc.asyncProperty(viewsArbitrary, viewsArbitrary, sizesArbitrary, async (old, fresh, sizes) => {
      const batch = new FakeBatchView(old);
      const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, fresh) });
      for (const list of lists) {
        const pages = await readAll(engine, list, sizes);
        const whole = await pageOf(engine, list, { limit: '1000' });
        assert.deepEqual(
          pages.flatMap(({ rows }) => rows),
          whole.rows,
          list.name,
        );
        assert.equal(whole.next, undefined);
      }
      engine.generations.close();
    }),
    runs,
  );
});

test('while facts come in, each row is read once, or the reader is told to start again', async () => {
  let [read, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      viewsArbitrary,
      viewsArbitrary,
      sizesArbitrary,
      fc.integer({ min: 1, max: 6 }),
      async (old, fresh, sizes, step) => {
        for (const list of lists) {
          const batch = new FakeBatchView(old);
          const layers: Layers = { batch, realtime: undefined };
          const engine = engineOver(layers);
          const grow = (page: number): void => {
            layers.realtime = new FakeRealtimeView(batch, fresh.slice(0, step * page));
            engine.generations.forget();
          };
          grow(0);
          try {
            const names = (await readAll(engine, list, sizes, grow)).flatMap((page) => page.names);
            assert.equal(new Set(names).size, names.length, 'no row twice');
            const now = await pageOf(engine, list, { limit: '1000' });
            // A domain that is new may come before those that have been read.
            if (list.name === 'domains') assert.deepEqual(names, names.toSorted());
            else assert.deepEqual(names.toSorted(), [...now.names].toSorted(), 'none left out');
            read++;
          } catch (error) {
            if ((error as HttpProblem).problem !== 'list-changed') throw error;
            assert.notEqual(list.name, 'domains');
            refused++;
          }
          engine.generations.close();
        }
      },
    ),
    runs,
  );
  assert.ok(read > 10 && refused > 10, `${read} lists read to the end, ${refused} refused`);
});

const visit = (page: string, visitor = 'v'): View => ({
  visitor,
  url: `https://${domain}/${page}`,
  hour: hour0,
  values: { [by]: page },
});
const threeTwoOne = [visit('a'), visit('a', 'w'), visit('a', 'x'), visit('b'), visit('b', 'w'), visit('c')];

async function problemOf(
  work: Promise<unknown>,
): Promise<Pick<HttpProblem, 'problem' | 'parameter' | 'message'>> {
  try {
    await work;
  } catch (error) {
    const { problem, parameter, message } = error as HttpProblem;
    return { problem, parameter, message };
  }
  throw new Error('answered');
}

function enginesWith(views: readonly View[], options: FakeOptions = {}): { engine: Engine; layers: Layers } {
  const layers: Layers = { batch: new FakeBatchView(views, options), realtime: undefined };
  return { engine: engineOver(layers), layers };
}

for (const list of lists.slice(0, 2)) {
  test(`${list.name}: what has been read may change its order and figures, but nothing else may come among it`, async () => {
    const { engine, layers } = enginesWith(threeTwoOne);
    const { next = '' } = await pageOf(engine, list, { limit: '2' });
    const withFresh = (views: readonly View[]): void => {
      layers.realtime = new FakeRealtimeView(layers.batch, views);
      engine.generations.forget();
    };
    withFresh([visit('b', 'x'), visit('b', 'y'), visit('c', 'w'), visit('d')]);
    const { names } = await pageOf(engine, list, { cursor: next });
    assert.deepEqual(
      names.map((name) => name.at(-1)),
      ['c', 'd'],
    );
    withFresh([visit('c', 'w'), visit('c', 'x')]);
    assert.deepEqual(await problemOf(pageOf(engine, list, { cursor: next })), {
      problem: 'list-changed',
      parameter: 'cursor',
      message:
        "'cursor': other rows have come among those that have been read; start again from the first page, without it",
    });
    engine.generations.close();
  });

  test(`${list.name}: a cursor does not outlive its batch view`, async () => {
    const { engine } = enginesWith(threeTwoOne);
    const { next = '' } = await pageOf(engine, list, { limit: '1' });
    const { engine: later } = enginesWith(threeTwoOne, { number: 2 });
    assert.deepEqual(await problemOf(pageOf(later, list, { cursor: next })), {
      problem: 'list-changed',
      parameter: 'cursor',
      message:
        "'cursor': a batch run has published a new view since that page; start again from the first page, without it",
    });
  });
}

test('a cursor of another question, or none at all, is refused', async () => {
  const { engine } = enginesWith([...threeTwoOne, { ...visit('a'), url: 'https://z.example/' }]);
  for (const list of lists) {
    const { next = '' } = await pageOf(engine, list, { limit: '1' });
    const others = lists.filter((other) => other !== list);
    const asked: [AskInput, RegExp][] = [
      ...(list.name === 'domains'
        ? [
            [{ contains: 'e', cursor: next }, /^'cursor' is of another question; start again/] as [
              AskInput,
              RegExp,
            ],
          ]
        : [
            [{ domain: 'z.example', cursor: next }, /^'cursor' is of another question; start again/] as [
              AskInput,
              RegExp,
            ],
            [{ to: show(hour0 + 29), cursor: next }, /^'cursor' is of another question/] as [
              AskInput,
              RegExp,
            ],
            [{ layer: 'batch', cursor: next }, /^'cursor' is of another question/] as [AskInput, RegExp],
          ]),
      ...['', '-', 'AAAA', '%', 'bnVsbA', `${next}A`.slice(2), 'A'.repeat(2_049)].map(
        (cursor) => [{ cursor }, /^'cursor' /] as [AskInput, RegExp],
      ),
    ];
    for (const [input, message] of asked) {
      const problem = await problemOf(pageOf(engine, list, input));
      assert.deepEqual(
        [problem.problem, problem.parameter],
        ['invalid-parameter', 'cursor'],
        JSON.stringify(input),
      );
      assert.match(problem.message, message);
    }
    for (const other of others) {
      const problem = await problemOf(pageOf(engine, other, { cursor: next }));
      assert.deepEqual([problem.problem, problem.parameter], ['invalid-parameter', 'cursor']);
    }
    // How many rows, how they are written and in which zone the range was meant change nothing.
    const same = list.name === 'domains' ? {} : { tz: 'Europe/Berlin' };
    await pageOf(engine, list, { ...same, limit: '7', cursor: next });
  }
  engine.generations.close();
});

test('lists are read up to a bound, which is said', async () => {
  const { engine } = enginesWith(threeTwoOne);
  for (const list of lists.slice(0, 2)) {
    const { next = '' } = await pageOf(engine, list, { limit: '1' });
    const [format, key, place] = JSON.parse(Buffer.from(next, 'base64url').toString()) as [
      number,
      string,
      object,
    ];
    const far = JSON.stringify([format, key, { ...place, rows: 99_500 }]);
    const problem = await problemOf(
      pageOf(engine, list, { limit: '501', cursor: Buffer.from(far).toString('base64url') }),
    );
    assert.deepEqual(problem, {
      problem: 'invalid-parameter',
      parameter: 'cursor',
      message: "'cursor': lists are read up to row 100000; ask for a shorter range",
    });
  }
  engine.generations.close();
});

test('rows, which have no place for a cursor, link to the next page', async (t) => {
  const server = await serve(t, { batch: new FakeBatchView(threeTwoOne), realtime: undefined });
  let path = `/v1/pages?domain=${domain}&from=${range.from}&to=${range.to}&limit=2&format=csv`;
  const lines: string[] = [];
  for (let pages = 1; ; pages++) {
    const response = await server.get(path);
    assert.equal(response.status, 200);
    lines.push(...(await response.text()).trim().split('\r\n').slice(1));
    const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '');
    if (link?.[1] === undefined) {
      assert.equal(pages, 2);
      break;
    }
    const { pathname, search } = new URL(link[1], server.origin + path);
    path = pathname + search;
  }
  assert.deepEqual(
    lines.map((line) => line.split(',').slice(0, 2)),
    [
      [`https://${domain}/a`, '3'],
      [`https://${domain}/b`, '2'],
      [`https://${domain}/c`, '1'],
    ],
  );
});

test('a page whose list could not be ranked in time has no next one, and is no next one', async () => {
  const batch = new FakeBatchView(threeTwoOne);
  const layers: Layers = { batch, realtime: undefined };
  const engine = engineOver(layers);
  const { next = '' } = await pageOf(engine, lists[0] ?? assert.fail(), { limit: '1' });
  assert.notEqual(next, '');
  const ranksOf = engine.ranks.of.bind(engine.ranks);
  engine.ranks.of = async (...given) => ({ ...(await ranksOf(...given)), isWhole: false });
  const first = await pageOf(engine, lists[0] ?? assert.fail(), { limit: '1' });
  assert.equal(first.next, undefined);
  const problem = await problemOf(pageOf(engine, lists[0] ?? assert.fail(), { limit: '1', cursor: next }));
  assert.equal(problem.problem, 'deadline-exceeded');
  engine.generations.close();
});
