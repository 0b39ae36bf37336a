/**
 * A data directory that an earlier version left (make.ts says how it was made) starts, recomputes by itself, answers right, and
 * goes on. What is right stands in the facts that lie beside it; here it is only added up.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { listRuns } from '../../serving/batch-runs.js';
import { projectRoot } from '../../lib/files/assets.js';
import { reaches } from '../../log/cut.js';
import { hourMs } from '../../lib/time/buckets.js';
import { dimensions } from '../../facts/subjects.js';
import { readCurrent } from '../../serving/current.js';
import { joined, over, tallyOf, type Pair } from '../oracle/oracle.js';
import { valuesIn } from '../oracle/compare.js';
import { valuesOf, type ViewTexts } from '../oracle/values.js';
import { eventually } from '../eventually.js';
import { startTestSystem, type Answer, type TestSystem } from '../running-system.js';
import type { Stated } from './facts.js';
import { tempDir } from '../temp-dir.js';

const oldViews = ['v000000-fd0cc84b', 'v000001-59b38ac7', 'v000002-20f2bdb4'];
/** Hours that all facts lie in: of those that came late, and of all others. */
const windows = [
  [Date.UTC(2022, 11, 31, 23) / hourMs, Date.UTC(2023, 0, 1, 23) / hourMs],
  [Date.UTC(2024, 1, 29, 21) / hourMs, Date.UTC(2024, 2, 2, 21) / hourMs],
] as const;
const breakdownSchema = z.object({
  data: z.object({
    values: z.array(z.object({ value: z.string(), visitors: z.number(), pageviews: z.number() })),
  }),
});
const personSchema = z.object({ data: z.object({ person: z.string(), ids: z.array(z.string()) }) });

test('a data directory of view format 5 starts, recomputes by itself, answers right and goes on', async (t) => {
  const { dataDir, facts } = unpack();
  const swa = (...args: string[]): ReturnType<typeof command> => command(dataDir, args);
  assert.match((await swa('batch', 'list')).stdout, new RegExp(`\\* +${oldViews[2]}`));

  const system = await startTestSystem(t, { dataDir });
  const upgraded = await serving(system, dataDir, (id) => !oldViews.includes(id));
  const runs = listRuns(dataDir).map(({ trigger, outcome }) => `${trigger} ${outcome}`);
  assert.deepEqual(runs, ['command published', 'command published', 'upgrade published']);
  await compare(system, facts, 'after the upgrade');

  for (const old of oldViews.slice(1)) {
    // the oldest had its time
    const { code, stderr } = await swa('batch', 'rollback', old);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^view\\.corrupt: .*${old} has format 5.*hint: run .swa batch run.`, 's'),
    );
  }
  assert.match((await swa('batch', 'rollback')).stderr, /^view\.missing: there is no view older than/);
  assert.equal(readCurrent(dataDir), upgraded);
  const { code, stdout } = await swa('verify');
  assert.equal(code, 0, stdout);
  assert.match(
    stdout,
    new RegExp(`the batch views are intact\\n.*\\n +${upgraded} is published; a recomputation`),
  );
  const list = (await swa('batch', 'list')).stdout;
  for (const id of [...oldViews.slice(1), upgraded]) assert.match(list, new RegExp(id));

  const added = moreFacts(facts);
  await system.send(added.map(({ sent }) => sent as Record<string, unknown>)); // all of them are posted
  await serving(system, dataDir, (id) => id === upgraded);
  await compare(system, [...facts, ...added], 'after more facts');
  await fetch(`${system.system.origin}/v1/batches`, { method: 'POST' });
  await serving(system, dataDir, (id) => id !== upgraded);
  await compare(system, [...facts, ...added], 'after one more run');
});

function unpack(): { dataDir: string; facts: readonly Stated[] } {
  const dir = tempDir('old');
  execFileSync('tar', ['-xzf', join(projectRoot, 'test/old-data-dir/format-5.tar.gz'), '-C', dir]);
  const lines = readFileSync(join(dir, 'facts.ndjson'), 'utf8').trimEnd().split('\n');
  return { dataDir: join(dir, 'data'), facts: lines.map((line) => JSON.parse(line) as Stated) }; // ours
}

function command(
  dataDir: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(projectRoot, 'bin/swa'), ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** Waits until a view that fits serves, together with a realtime view that has all of the log. Returns its id. */
async function serving(
  system: TestSystem,
  dataDir: string,
  fits: (generation: string) => boolean,
): Promise<string> {
  return eventually('the generation serves and has all facts', async () => {
    if (!fits(readCurrent(dataDir))) return undefined; // nothing can be asked before
    const path = '/v1/uniques?url=https%3A%2F%2Fexample.com%2F&from=0&to=3600000';
    if ((await system.get(path)).status === 503) return undefined; // old realtime stores are made again from the log
    const { freshness }: Answer = await system.ask(path);
    const { generation, realtime } = freshness;
    if (!fits(generation) || realtime === null) return undefined;
    return reaches(realtime.cut, await system.system.log.latest()) ? generation : undefined;
  });
}

/** Some of the old visitors on old and new pages, one old fact again, and an edge between two that nobody has joined. */
function moreFacts(facts: readonly Stated[]): Stated[] {
  const views = facts.filter((one) => one.kind === 'view').filter((one) => one.not === undefined);
  const again = views.filter(({ phase, sent }) => phase === 3 && typeof sent !== 'string').slice(-1);
  const more = views.slice(0, 30).map((one, i): Stated => {
    const page = i % 3 === 0 ? `https://example.com/new/${i % 2}` : one.page;
    const domain = i % 3 === 0 ? 'example.com' : one.domain;
    const time = one.time + i * hourMs;
    const { visitor } = one;
    const sent = { type: 'pageview', visitor, url: page, timestamp: time, eventId: `more${i}` };
    return { kind: 'view', phase: 3, page, domain, visitor, time, sent };
  });
  const [a, b, time] = ['cookie:50', 'cookie:51', Date.UTC(2024, 2, 1)];
  const sent = { type: 'equiv', a, b, timestamp: time, eventId: 'edge of today' };
  return [
    ...more,
    ...again.map((one) => ({ ...one, not: 'repeat' as const })),
    { kind: 'equiv', phase: 3, a, b, time, sent },
  ];
}

/** Every hour of every page, every domain, and every person. */
async function compare(system: TestSystem, facts: readonly Stated[], when: string): Promise<void> {
  const views = facts
    .filter((one) => one.kind === 'view')
    .filter((one) => one.not === undefined)
    .map(({ page, domain, visitor, time, sent }, offset) => {
      const hour = Math.floor(time / hourMs);
      assert.ok(windows.some(([from, to]) => hour >= from && hour < to));
      const values = valuesOf(textsOf(sent, page), { page, domain }, dimensions);
      return { partition: 'pageviews/0', offset, page, domain, visitor, timestamp: time, values } as const;
    });
  const persons = joined(livePairs(facts));
  const tally = tallyOf(views, (visitor) => persons.get(visitor) ?? visitor);
  for (const name of ['page', 'domain'] as const) {
    for (const subject of new Set(views.map((view) => view[name]))) {
      for (const [from, to] of windows) {
        const range = { from: String(from * hourMs), to: String(to * hourMs) };
        const asked = { [name === 'page' ? 'url' : 'domain']: subject, ...range, interval: 'hour' };
        const query = new URLSearchParams(asked).toString();
        const uniques = (await system.ask(`/v1/uniques?${query}`)).data;
        const pageviews = (await system.ask(`/v1/pageviews?${query}`)).data;
        const countsOf = (hour: number, end: number): number[] => {
          const { people, pageviews: count } = over(tally, `${name} ${subject}`, hour, end);
          return [people.size, count];
        };
        const what = `${when}: ${subject} ${query}`;
        assert.deepEqual([uniques.visitors, pageviews.pageviews], countsOf(from, to), what);
        assert.deepEqual(
          uniques.series?.map(({ visitors }, i) => [visitors, pageviews.series?.[i]?.pageviews]),
          Array.from({ length: to - from }, (_, i) => countsOf(from + i, from + i + 1)),
          what,
        );
      }
    }
  }
  for (const domain of new Set(views.map((view) => view.domain))) {
    for (const { name } of dimensions) {
      for (const [from, to] of windows) {
        const range = { from: String(from * hourMs), to: String(to * hourMs), limit: '1000' };
        const query = new URLSearchParams({ domain, by: name, ...range }).toString();
        const { data } = breakdownSchema.parse(await (await system.get(`/v1/breakdown?${query}`)).json());
        const expected = valuesIn(tally, name, domain)
          .map((value) => ({ value, ...over(tally, `value ${name} ${domain} ${value}`, from, to) }))
          .filter(({ pageviews }) => pageviews > 0)
          .map(({ value, people, pageviews }) => [value, { visitors: people.size, pageviews }] as const);
        const answered = data.values.map(({ value, ...counts }) => [value, counts] as const);
        assert.deepEqual(new Map(answered), new Map(expected), `${when}: ${query}`);
      }
    }
  }
  for (const visitor of new Set(views.map((one) => one.visitor))) {
    const response = await system.get(`/v1/persons/${encodeURIComponent(visitor)}`);
    const { data } = personSchema.parse(await response.json());
    const person = persons.get(visitor) ?? visitor;
    const ids = [...persons].filter(([, of]) => of === person).map(([id]) => id);
    assert.equal(data.person, person, `${when}: ${visitor}`);
    assert.deepEqual(new Set(data.ids), new Set([visitor, ...ids]), `${when}: ${visitor}`);
  }
}

/** What dimensions are made of. A line of a log has its agent in the last field; none of ours has a referrer. */
function textsOf(sent: Extract<Stated, { kind: 'view' }>['sent'], page: string): ViewTexts {
  if (typeof sent !== 'string') return sent as unknown as ViewTexts; // as makeFacts writes it
  return { url: page, userAgent: /"([^"]*)"$/.exec(sent)?.[1] ?? '' };
}

/** Of each pair the last word counts; facts come in order of time. */
function livePairs(facts: readonly Stated[]): Pair[] {
  const last = new Map<string, Extract<Stated, { kind: 'equiv' | 'retract' }>>();
  for (const one of facts) if (one.kind !== 'view') last.set([one.a, one.b].toSorted().join('\n'), one);
  return [...last.values()].filter(({ kind }) => kind === 'equiv').map(({ a, b }) => [a, b] as const);
}
