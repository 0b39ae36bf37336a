/**
 * Runs compiled test files and ends with the slowest files and `N passed, N failed`: with words, those whose path contains one of them;
 * without, every `x.test.ts`; with --whole, every `x.whole.test.ts` (test/find-files.ts). Exit code 1 when anything failed, when no test ran, or
 * when something was skipped while CI=true: a machine that is meant to run everything must.
 */
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { projectRoot } from '../lib/files/assets.js';
import { isWhole, testConcurrency, testFiles } from './find-files.js';
import { grouped } from './groups.js';

/** Parts of paths, the slowest files first: a slow file that starts last would run alone at the end. */
const slowest = [
  'test/live.',
  'verify-damage',
  'test/faults/',
  'test/planted-faults',
  'test/lambda-law',
  'real-log',
  'recover-killed',
  'dist/test/',
  'cli/test/',
  'batch/test/',
];
const rank = (file: string): number => {
  const at = slowest.findIndex((part) => file.includes(part));
  return at < 0 ? slowest.length : at;
};

const { values, positionals: words } = parseArgs({
  options: { whole: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const isChosen = (file: string): boolean =>
  words.length > 0 ? words.some((word) => file.includes(word)) : isWhole(file) === values.whole;
const files = testFiles()
  .filter(isChosen)
  .toSorted((a, b) => rank(a) - rank(b)); // stable
const forbidSkips = process.env['CI'] === 'true';
const counts = { passed: 0, failed: 0 };
const skipped: string[] = [];
/** Time of the tests in each file, in ms. */
const times = new Map<string, number>();
const slowestShown = 10;

/** Of one file; the long forms take as many times longer. */
const factor = Math.max(1, Number(process.env['ROUNDS'] ?? 1), Number(process.env['RUNS'] ?? 60) / 60);
const timeoutMs = 15 * 60_000 * factor;
/** Those chosen by words are run as they are: each for itself, and its time its own. */
const runs = words.length > 0 || values.whole ? files : grouped(files);
const stream = run({ files: runs, concurrency: testConcurrency(), timeout: timeoutMs });
const addTime = (event: { file?: string; nesting: number; details: { duration_ms: number } }): void => {
  if (event.nesting > 0 || event.file === undefined) return;
  times.set(event.file, (times.get(event.file) ?? 0) + event.details.duration_ms);
};
stream.on('test:pass', (event) => {
  addTime(event);
  if (event.details.type === 'suite') return;
  if (event.skip === undefined) counts.passed++;
  else skipped.push(`${event.name}: ${String(event.skip)}`);
});
stream.on('test:fail', (event) => {
  addTime(event);
  if (event.details.type !== 'suite') counts.failed++;
});
stream.compose(new spec()).pipe(process.stdout);
stream.on('end', () => {
  process.on('exit', () => {
    const slow = [...times].toSorted(([, a], [, b]) => b - a).slice(0, slowestShown);
    for (const [file, ms] of slow)
      process.stdout.write(`${(ms / 1000).toFixed(1).padStart(7)} s ${relative(projectRoot, file)}\n`);
    for (const line of skipped) process.stdout.write(`skipped: ${line}\n`);
    if (forbidSkips) counts.failed += skipped.length;
    if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  });
});
