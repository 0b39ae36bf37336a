/** `npm run bench -- all`: runs every row in its own process, one after the other, and writes the results to docs/benchmarks.md. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf } from '../lib/errors/errors.js';
import { assetPath } from '../lib/files/assets.js';
import { systemClock } from '../lib/time/clock.js';
import type { Row } from './rows.js';

const resultSchema = z.object({
  target: z.string(),
  met: z.boolean(),
  ratio: z.number().optional(),
  figures: z.record(z.string(), z.union([z.number(), z.string()])),
});
type Measured = { readonly row: Row } & (
  { readonly result: z.infer<typeof resultSchema> } | { readonly failure: string }
);

const rowTimeoutMs = 3_600_000;

/**
 * Measures all rows, or the named ones in their order, and writes the report after each. Rows that were not requested or whose programs are missing
 * are listed with the reason.
 */
export async function report(rows: readonly Row[], names: readonly string[], quick: boolean): Promise<void> {
  const wanted = names.length === 0 ? rows : names.map((name) => rowNamed(rows, name));
  const measured = new Map<Row, Measured>(
    rows.map((row) => [
      row,
      { row, failure: wanted.includes(row) ? 'the run ended before' : 'not asked for' },
    ]),
  );
  for (const row of wanted) {
    process.stdout.write(`${row.name} ...\n`);
    measured.set(row, await measure(row, quick));
    // Figures of a quick run are not meaningful.
    if (!quick) writeFileSync(assetPath('docs/benchmarks.md'), markdown([...measured.values()]));
  }
  if (quick) process.stdout.write(markdown([...measured.values()]));
}

function rowNamed(rows: readonly Row[], name: string): Row {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) throw new Error(`there is no row '${name}'`);
  return row;
}

async function measure(row: Row, quick: boolean): Promise<Measured> {
  const script = fileURLToPath(new URL('./run.js', import.meta.url));
  const args = ['--expose-gc', script, row.name, '--json', ...(quick ? ['--quick'] : [])];
  const { failed, stdout, stderr } = await new Promise<{ failed: boolean; stdout: string; stderr: string }>(
    (resolve) =>
      execFile(process.execPath, args, { timeout: rowTimeoutMs }, (error, out, err) =>
        resolve({ failed: error !== null, stdout: out, stderr: err }),
      ),
  );
  if (failed) return { row, failure: reasonIn(stderr) };
  try {
    return { row, result: resultSchema.parse(JSON.parse(stdout)) };
  } catch (error) {
    return { row, failure: messageOf(error) };
  }
}

/** The message of the error that ended a row. */
function reasonIn(stderr: string): string {
  return (
    /^(?:\w*Error): (.+)$/m.exec(stderr)?.[1] ?? stderr.trim().split('\n').at(-1) ?? 'it ended without a word'
  );
}

function markdown(measured: readonly Measured[]): string {
  const met = measured.filter((each) => 'result' in each && each.result.met);
  const missed = measured.filter((each) => 'result' in each && !each.result.met);
  const failed = measured.filter((each) => 'failure' in each);
  const gigabytes = (totalmem() / 2 ** 30).toFixed(0);
  const names = (of: readonly Measured[]): string =>
    of.length === 0 ? 'none' : of.map(({ row }) => `\`${row.name}\``).join(', ');
  return `# Benchmarks

Written by \`npm run bench -- all\` on ${new Date(systemClock()).toISOString().slice(0, 10)}: ${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${gigabytes} GB, Node ${process.version}.
Rows compare within one run, because machines differ; where a row names CPU, that is the processor time of the process, which other load on the
machine changes little.

- Targets met: ${names(met)}
- Targets missed: ${names(missed)}
- Not measured: ${names(failed)}
${measured.map(section).join('')}`;
}

function section(measured: Measured): string {
  const head = `\n## ${measured.row.name}\n\n${measured.row.what}.\n\n`;
  if ('failure' in measured) return `${head}Not measured: ${measured.failure}\n`;
  const { target, met, ratio, figures } = measured.result;
  const lines = [
    `- target: ${target}: **${met ? 'met' : 'missed'}**`,
    ...(ratio === undefined ? [] : [`- ratio: ${ratio.toFixed(2)}`]),
    ...Object.entries(figures).map(([name, value]) => `- ${name}: ${value}`),
  ];
  return `${head}${lines.join('\n')}\n`;
}
