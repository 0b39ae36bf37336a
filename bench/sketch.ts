/**
 * Row `sketch`: the hot paths of the sketch library, and its speed of adding and merging beside other npm packages. The library has its own bench,
 * which prints tables; this row runs it in a process and checks its figures against the targets.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { BenchOptions, BenchResult } from './row.js';

const measured = z.object({
  own: z.record(z.string(), z.number()),
  comparisons: z.array(z.object({ name: z.string(), addsPerS: z.number(), mergesPerS: z.number() })),
});

const targets = { stringUpdates: 10e6, denseMerges: 3e6, tinyMerges: 20e6 } as const;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const script = fileURLToPath(new URL('../../hyperloglog-ts/dist/bench/bench.js', import.meta.url));
  const flags = ['--expose-gc', script, '--json', ...(quick ? ['--quick'] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 600_000 });
  const { own, comparisons } = measured.parse(JSON.parse(stdout));
  const figures: Record<string, number> = {};
  for (const [name, perS] of Object.entries(own)) figures[`${name}PerS`] = Math.round(perS);
  for (const { name, addsPerS, mergesPerS } of comparisons) {
    figures[`${name}: addsPerS`] = Math.round(addsPerS);
    figures[`${name}: mergesPerS`] = Math.round(mergesPerS);
  }
  return {
    target: '>= 10 M strings/s, >= 3 M dense lgK-12 merges/s, >= 20 M tiny merges/s',
    met: Object.entries(targets).every(([name, minimum]) => (own[name] ?? 0) >= minimum),
    figures,
  };
}
