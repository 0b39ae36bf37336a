/** Facts that earlier versions accepted and that are refused today do not count, whatever file they are in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeEnd, timeStart, type EquivEdge, type Fact, type Pageview } from '../../facts/fact.js';
import { decodeRecord, encodeRecord } from '../../facts/record.js';
import { makeRules } from '../../facts/rules.js';
import { openLogWriter } from '../../log/open-log.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { storeOldFile } from '../../master-data/test/old-files.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { newBuildingDir } from '../../serving/store.js';
import { openViewAt } from '../../serving/view-reader.js';
import { buildView } from '../pipeline.js';
import { ProgressMeter } from '../progress.js';
import { makeDataDir, testClock } from './data-dir.js';

const time = Date.UTC(2024, 1, 1);

const view = (i: number, change: Partial<Pageview> = {}): Pageview => ({
  type: 'pageview',
  visitor: `cookie:${i % 20}`,
  url: `https://example.com/${i % 3}`,
  timestamp: time + i * 600_000,
  eventId: `e${i}`,
  receivedAt: testClock(),
  ...change,
});

const edge = (i: number, b: string, change: Partial<EquivEdge> = {}): EquivEdge => ({
  type: 'equiv',
  a: `cookie:${i}`,
  b,
  timestamp: time + i,
  eventId: `edge${i}`,
  receivedAt: testClock(),
  ...change,
});

const refusedViews = [
  view(1, { visitor: 'null' }),
  view(2, { visitor: 'user:"Anonymous"', url: 'https://other.example/' }),
  view(3, { visitor: `idfa:00000000-0000-0000-0000-000000000000` }),
  view(4, { visitor: `${'x'.repeat(60)}:undefined` }), // longer than the pieces that SQL compares
  view(5, { visitor: '\u00a0none\u00a0' }),
  view(6, { timestamp: timeStart - 1 }),
  view(7, { timestamp: 1_706_745_600 }),
];
const refusedEdges = [
  edge(1, 'user:null'),
  edge(2, 'user:null'),
  edge(3, '{{user_id}}'),
  edge(4, '{{user_id}}'),
  edge(5, 'user:5', { timestamp: timeStart - 1 }),
  edge(6, 'user:5', { timestamp: timeEnd }),
  edge(5, '0', { type: 'retract' }),
];

/** Gives each fact an event id of its own. */
function numbered<T extends Fact>(facts: readonly T[], prefix: string): T[] {
  return facts.map((fact, i) => ({ ...fact, eventId: `${prefix}${i}` }));
}

test('a view of old files, or of old and new ones, counts exactly what decodeRecord accepts', async (t) => {
  const config = makeDataDir();
  const { dataDir } = config;
  const good = Array.from({ length: 100 }, (_, i) => view(i));
  const oldViews = numbered([...good.slice(0, 50), ...refusedViews, ...good.slice(50)], 'old');
  const oldEdges = numbered(
    [edge(1, 'user:1'), ...refusedEdges, edge(7, 'user:0'), edge(8, 'user:0')],
    'oldEdge',
  );
  const newFacts: Fact[] = [
    ...numbered([...refusedViews, ...good.map((fact) => ({ ...fact, country: 'DE' }))], 'new'),
    ...numbered([...refusedEdges, edge(9, 'user:0')], 'newEdge'),
  ];
  const check = async (facts: readonly Fact[]): Promise<void> => {
    const taken = facts.filter((fact) => {
      const { topic, value } = encodeRecord(fact, makeRules({ urlQueryAllow: [], bots: 'exclude' }).url);
      return decodeRecord(value, topic).type !== 'invalid';
    });
    const { statistics } = await build((reader) => assertViewEquals(reader, placed(taken)));
    assert.equal(statistics.invalidPageviews + statistics.refusedEdges, facts.length - taken.length);
  };
  const build = async (look: (reader: ReturnType<typeof openViewAt>) => void) => {
    const viewDir = newBuildingDir(dataDir, 'test');
    const built = await buildView({
      snapshot: takeSnapshot(dataDir),
      rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
      lgK: config.lgK,
      bucketMinutes: 60,
      maxPersonIds: 0,
      number: 1,
      createdAt: 0,
      previous: undefined,
      viewDir,
      tempDir: `${dataDir}/batch/temp`,
      memoryLimit: '256MB',
      threads: 1,
      progress: new ProgressMeter(
        () => 0,
        () => undefined,
      ),
    });
    const reader = openViewAt(viewDir);
    look(reader);
    reader.close();
    return built;
  };
  const log = await openLogWriter(config, testClock);
  t.after(() => log.close());
  await storeOldFile(dataDir, log, oldViews);
  await storeOldFile(dataDir, log, oldEdges);
  await check([...oldViews, ...oldEdges]);
  await log.append(
    newFacts.map((fact) => encodeRecord(fact, makeRules({ urlQueryAllow: [], bots: 'exclude' }).url)),
  );
  await drainLogToMaster({ config, clock: testClock }, { log });
  await check([...oldViews, ...oldEdges, ...newFacts]);
});
