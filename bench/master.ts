/** Row `master`: from the log to committed Parquet, including manifests and compaction, and the hash check of the snapshot. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { Pageview } from '../facts/fact.js';
import { encodeRecord } from '../facts/record.js';
import type { LogWriter } from '../log/log.js';
import { openLog, openLogWriter } from '../log/open-log.js';
import { UrlRules } from '../facts/url/normalize.js';
import { drainLogToMaster } from '../master-data/role.js';
import { takeSnapshot, verifySnapshotFiles } from '../master-data/snapshot.js';
import type { BenchOptions, BenchResult } from './row.js';

const targetPerSecond = 200_000;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const facts = quick ? 100_000 : 3_000_000;
  const config = configWith({ dataDir: mkdtempSync(join(tmpdir(), 'swa-bench-')) });
  const context = { config, clock: systemClock };
  try {
    openDataDir(config);
    const writer = await openLogWriter(config, systemClock);
    const logBytes = await fill(writer, facts);
    await writer.close();

    const log = await openLog(config, systemClock);
    const scanSeconds = await seconds(async () => scan(log, facts));
    const cpuBefore = process.cpuUsage();
    const sinkSeconds = await seconds(async () => drainLogToMaster(context, { log }));
    const cpu = process.cpuUsage(cpuBefore);
    await log.close();

    const snapshot = takeSnapshot(config.dataDir);
    const verifySeconds = await seconds(async () => verifySnapshotFiles(snapshot));
    const rows = snapshot.files.reduce((sum, file) => sum + file.rows, 0);
    const sizeBytes = snapshot.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    if (rows !== facts) throw new Error(`${rows} rows of ${facts} facts`);
    const perSecond = Math.round(facts / sinkSeconds);
    return {
      target: `log to Parquet >= ${targetPerSecond} facts/s`,
      met: perSecond >= targetPerSecond,
      figures: {
        facts,
        factsPerSecond: perSecond,
        factsPerCpuSecond: Math.round(facts / ((cpu.user + cpu.system) / 1e6)),
        logScanPerSecond: Math.round(facts / scanSeconds),
        files: snapshot.files.length,
        logBytesPerFact: Math.round(logBytes / facts),
        parquetBytesPerFact: Number((sizeBytes / facts).toFixed(1)),
        verifyMegabytesPerSecond: Math.round(sizeBytes / 1e6 / verifySeconds),
        peakResidentMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
      },
    };
  } finally {
    rmSync(config.dataDir, { recursive: true, force: true });
  }
}

/** Appends facts like those from browsers; returns the bytes of their records. */
async function fill(writer: LogWriter, facts: number): Promise<number> {
  const urls = new UrlRules({ queryAllow: [] });
  let state = 42;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const hex = (digits: number): string =>
    random(2 ** 31)
      .toString(16)
      .padStart(digits, '0')
      .slice(0, digits);
  let sizeBytes = 0;
  for (let done = 0; done < facts; done += 5_000) {
    const records = Array.from({ length: Math.min(5_000, facts - done) }, (_, i) => {
      const fact: Pageview = {
        type: 'pageview',
        visitor: `cookie:${random(1_000_000).toString(36)}`,
        url: `https://www.example.com/articles/${random(100_000)}?utm_source=letter`,
        timestamp: 1_700_000_000_000 + done + i,
        eventId: `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(8)}${hex(4)}`,
        receivedAt: 1_700_000_000_400 + done + i,
        userAgent: userAgents[random(userAgents.length)] ?? '',
        referrer: 'https://news.example.org/',
      };
      return encodeRecord(fact, urls);
    });
    for (const record of records) sizeBytes += record.value.length;
    await writer.append(records);
  }
  return sizeBytes;
}

const userAgents = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5',
  'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
];

/** Reads the same log without using the records: the cost of reading alone. */
async function scan(log: Awaited<ReturnType<typeof openLog>>, facts: number): Promise<void> {
  const reader = await log.openReader({ from: await log.earliest(), consumer: 'bench' });
  for (let seen = 0; seen < facts;) {
    for (const batch of await reader.next({ maxRecords: 16_384, timeoutMs: 1_000 }))
      seen += batch.values.length;
  }
  await reader.close();
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
