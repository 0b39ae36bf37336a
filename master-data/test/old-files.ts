/** Files as earlier versions wrote them: without later columns, and with facts that are rejected today. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fact } from '../../facts/fact.js';
import { encodeRecord, topicOf } from '../../facts/record.js';
import { offset, partitionName, type LogWriter } from '../../log/log.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { commitFile } from '../commit.js';
import { openDuckDb, sqlText } from '../duckdb.js';
import { masterDir, partitionDir, sinkTempDir } from '../layout.js';
import { endOf, openRoot, readHead } from '../manifest.js';

/** The first version's columns with the fields they hold. */
const oldColumns = {
  pageviews: {
    offset: 'offset',
    received_at: 'receivedAt',
    timestamp: 'timestamp',
    visitor: 'visitor',
    url: 'url',
    event_id: 'eventId',
    user_agent: 'userAgent',
    referrer: 'referrer',
    invalid_reason: 'invalid_reason',
    raw: 'raw',
  },
  equivs: {
    offset: 'offset',
    received_at: 'receivedAt',
    timestamp: 'timestamp',
    kind: 'type',
    a: 'a',
    b: 'b',
    event_id: 'eventId',
    source: 'source',
    invalid_reason: 'invalid_reason',
    raw: 'raw',
  },
} as const;

const types: Readonly<Record<string, string>> = {
  offset: 'BIGINT',
  received_at: 'BIGINT',
  timestamp: 'BIGINT',
  raw: 'BLOB',
};

/** Appends facts of one topic to a log of one partition, whose end is the master's cut, and commits them to an old file. */
export async function storeOldFile(dataDir: string, log: LogWriter, facts: readonly Fact[]): Promise<void> {
  const [first] = facts;
  if (first === undefined) throw new RangeError('no facts');
  const topic = topicOf(first);
  const partition = partitionName(topic, 0);
  const urls = new UrlRules();
  await log.append(facts.map((fact) => encodeRecord(fact, urls)));
  const root = openRoot(dataDir, log);
  const head = readHead(dataDir, root, partition);
  const from = endOf(head);
  const dir = partitionDir(dataDir, partition);
  const lines = join(dir, 'old.ndjson');
  writeFileSync(lines, facts.map((fact, i) => `${JSON.stringify({ offset: from + i, ...fact })}\n`).join(''));
  const columns = Object.entries(oldColumns[topic]);
  const fields = columns.map(([name, field]) => `"${field}": ${sqlText(types[name] ?? 'VARCHAR')}`);
  const duckdb = await openDuckDb({
    allowedDirectories: [masterDir(dataDir)],
    tempDirectory: sinkTempDir(dataDir),
    memoryLimit: '256MB',
    threads: 1,
  });
  try {
    const temp = join(dir, 'old.parquet.tmp');
    await duckdb.connection.run(
      `COPY (SELECT ${columns.map(([name, field]) => `"${field}" AS "${name}"`).join(', ')}
         FROM read_json(${sqlText(lines)}, format = 'newline_delimited', columns = {${fields.join(', ')}}))
       TO ${sqlText(temp)} (FORMAT parquet)`,
    );
    const { length } = facts;
    await commitFile({ dataDir, root, connection: duckdb.connection, onStep: () => undefined }, head, {
      partition,
      temp,
      fromOffset: from,
      toOffset: offset(from + length),
      expected: {
        rows: length,
        invalidRows: 0,
        firstOffset: from,
        lastOffset: from + length - 1,
        offsetSum: (length * (length - 1)) / 2,
      },
    });
  } finally {
    duckdb.close();
    rmSync(lines);
  }
}
