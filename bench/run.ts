/**
 * `npm run bench -- <row> [--quick] [--json]`: measures one row against its target, as ratios within one run. `all` measures all rows, or those named
 * after it, and writes the report.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { report } from './report.js';
import { rows } from './rows.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
if (positionals[0] === 'all') {
  await report(rows, positionals.slice(1), values.quick);
  process.exit();
}
const row = rows.find((candidate) => candidate.name === positionals[0]);
if (row === undefined) {
  process.stderr.write(
    `usage: npm run bench -- <row> [--quick] [--json], or all [row...]; rows: ${rows.map((r) => r.name).join(', ')}\n`,
  );
  process.exit(2);
}
const bench = await row.load();
const result = await bench.run({ quick: values.quick });
const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'cpu'}, Node ${process.version}`;
if (values.json) {
  process.stdout.write(`${JSON.stringify({ row: row.name, ...result, machine })}\n`);
} else {
  process.stdout.write(`${row.name}: target ${result.target}: ${result.met ? 'met' : 'NOT met'}\n`);
  if (result.ratio !== undefined) process.stdout.write(`  ratio ${result.ratio.toFixed(3)}\n`);
  for (const [name, value] of Object.entries(result.figures)) process.stdout.write(`  ${name}: ${value}\n`);
  process.stdout.write(`  machine: ${machine}\n`);
}
