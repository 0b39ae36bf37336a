/**
 * Runs every compiled test file of the house (or those whose path contains one of the arguments) and ends with
 * `N passed, N failed`. Exit code 1 when anything failed, when no test ran, or when something was skipped while
 * CI=true: a machine that is meant to run everything must.
 */
import { testConcurrency, testFiles } from './find-files.js';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const wanted = process.argv.slice(2);
const files = testFiles().filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
const forbidSkips = process.env['CI'] === 'true';
const counts = { passed: 0, failed: 0 };
const skipped: string[] = [];

/** Of one file; the long forms take as many times longer. */
const times = Math.max(1, Number(process.env['ROUNDS'] ?? 1), Number(process.env['RUNS'] ?? 60) / 60);
const timeoutMs = 15 * 60_000 * times;
const stream = run({ files, concurrency: testConcurrency(), timeout: timeoutMs });
stream.on('test:pass', (event) => {
  if (event.details.type === 'suite') return;
  if (event.skip === undefined) counts.passed++;
  else skipped.push(`${event.name}: ${String(event.skip)}`);
});
stream.on('test:fail', (event) => {
  if (event.details.type !== 'suite') counts.failed++;
});
stream.compose(new spec()).pipe(process.stdout);
stream.on('end', () => {
  process.on('exit', () => {
    for (const line of skipped) process.stdout.write(`skipped: ${line}\n`);
    if (forbidSkips) counts.failed += skipped.length;
    if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  });
});
