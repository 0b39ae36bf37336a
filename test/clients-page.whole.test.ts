/**
 * docs/clients.md: each example runs as it stands, against a system with the log that its figures are from, and prints what the page shows. The programs
 * are installed as test/clients/requirements.txt and test/clients/typed/package.json say; Prometheus is a Debian package.
 */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { assetPath, assetText } from '../lib/files/assets.js';
import { eventually } from './eventually.js';
import { freePort } from './loopback.js';
import { blocksOf, commandsOf, type Block } from './page-blocks.js';
import { importRealLog, realLogSkip } from './real-log-proof.js';
import { runBatch, startTestSystem, untilAllCounted, untilHandedOver } from './running-system.js';
import { tempDir } from './temp-dir.js';
import { venvProgram } from './venv.js';

const run = promisify(execFile);
const page = assetText('docs/clients.md');
const pageOrigin = 'http://127.0.0.1:8080';
const typed = 'test/clients/typed';
const { path: python, skip: noPython } = venvProgram('test/clients', 'python3', 'Python clients');
const noTyped = existsSync(assetPath(`${typed}/node_modules`))
  ? false
  : `no TypeScript clients: npm ci --prefix ${typed}`;
const noPrometheus =
  spawnSync('prometheus', ['--version']).error === undefined
    ? false
    : 'needs prometheus (Debian package of that name)';

const blocks = blocksOf('docs/clients.md');
const commands = commandsOf(blocks);

function blocksIn(language: string): readonly Block[] {
  const found = blocks.filter((block) => block.language === language);
  assert.ok(found.length > 0, language);
  return found;
}

/** The only block in a language. */
function blockIn(language: string): Block {
  const [block, ...more] = blocksIn(language);
  assert.ok(block !== undefined && more.length === 0, language);
  return block;
}

test('what docs/clients.md shows', { skip: realLogSkip() }, async (t) => {
  const swa = await startTestSystem(t);
  await importRealLog(swa);
  await untilAllCounted(swa);
  await untilHandedOver(swa, await runBatch(swa));
  const { origin } = swa.system;
  const here = (text: string): string => text.replaceAll(pageOrigin, origin);
  const dir = tempDir('clients-page');

  await t.test('curl and swa print what the page shows', async () => {
    const asking = commands.filter(({ command }) => /^(curl|swa) [^|]*$/.test(command));
    assert.ok(asking.length > 2);
    const path = `${assetPath('bin')}${delimiter}${process.env['PATH']}`;
    const env = { ...process.env, PATH: path, SWA_DATA_DIR: swa.config.dataDir };
    for (const { command, prints } of asking) {
      const { stdout } = await run('bash', ['-c', here(command)], { cwd: dir, env });
      assert.deepEqual(stdout.split(/\r?\n/).slice(0, -1), prints, command);
    }
  });

  await t.test('Python prints what the page shows', { skip: noPython }, async () => {
    const scripts = blocksIn('python');
    const path = join(dir, 'page.py');
    writeFileSync(path, here(scripts.map(({ code }) => code).join('\n')));
    const { stdout } = await run(python, [path], { cwd: dir });
    assert.equal(stdout, scripts.map(({ prints }) => prints).join(''));
  });

  await t.test('TypeScript, typed by the API’s description', { skip: noTyped }, async (s) => {
    await proveTypedClient(s, here);
  });

  await t.test('each request for Grafana gives the columns that the page names', async () => {
    const rows = [...page.matchAll(/^\| [\w ]+ \| `(http[^`]*)` \| `([\w.]+)` \| (.*) \|$/gm)];
    assert.ok(rows.length > 3);
    const [from, to] = [Date.UTC(2015, 4, 17, 0, 20, 34, 567), Date.UTC(2015, 4, 20, 23, 59, 59, 999)];
    for (const [, url = '', root = '', columnTexts = ''] of rows) {
      const asked = here(url).replace('${__from}', String(from)).replace('${__to}', String(to));
      assert.ok(!asked.includes('${'), asked);
      const columns = [...columnTexts.matchAll(/`(\w+)` \((time|number|string)\)/g)];
      assert.ok(columns.length > 0, url);
      const table = tableAt(await (await fetch(asked)).json(), root);
      assert.ok(table.length > 0, url);
      for (const row of table)
        for (const [, name = '', type] of columns) assert.equal(typeOf(row[name]), type, url);
      const [head = '', ...lines] = (await (await fetch(`${asked}&format=csv`)).text()).trim().split(/\r?\n/);
      assert.equal(lines.length, table.length, url);
      for (const [, name = ''] of columns) assert.ok(head.split(',').includes(name), `${name} of ${head}`);
    }
  });

  await t.test('Prometheus scrapes by the page’s configuration', { skip: noPrometheus }, async (s) => {
    const check = commands.find(({ command }) => command.endsWith('promtool check metrics'));
    await run('bash', ['-o', 'pipefail', '-c', here(check?.command ?? 'false')]);
    const prometheus = await startPrometheus(s, dir, new URL(origin).host);
    const query = commands.find(({ command }) => command.startsWith('promtool query'))?.command ?? 'false';
    await eventually(
      'the query has a result',
      async () => {
        await swa.ask('/v1/uniques?domain=example.org&from=2015-05-17&to=2015-05-21');
        const asked = run('bash', ['-c', query.replace('http://127.0.0.1:9090', prometheus)]);
        const { stdout } = await asked.catch(() => ({ stdout: '' })); // not before it listens
        return /^\{\} => 0\.\d+ @/.test(stdout);
      },
      60_000,
      500,
    );
  });
});

/** Mistakes in the page's program: a text, and what stands there instead. */
const mistakes: Readonly<Record<string, readonly [text: string, mistake: string]>> = {
  parameter: ["interval: 'day'", "intervall: 'day'"],
  value: ["interval: 'day'", "interval: 'fortnight'"],
  type: ['limit: 2', "limit: 'two'"],
  missing: ["by: 'source', ", ''],
  field: ['days.data.visitors', 'days.data.visitor'],
  number: ['console.log(value, visitors)', 'console.log(value, visitors.length)'],
};

/** The client is generated as the page says; its program compiles and prints what the page shows; one with a mistake does not compile. */
async function proveTypedClient(t: TestContext, here: (text: string) => string): Promise<void> {
  const dir = tempDir('typed-client');
  const { code, prints } = blockIn('typescript');
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2023',
    types: [],
    noEmitOnError: false,
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(join(dir, 'package.json'), '{"type": "module"}');
  // The generator reads the tsconfig.json above its own files.
  const modules = join(dir, 'node_modules');
  cpSync(assetPath(`${typed}/node_modules`), modules, { recursive: true, verbatimSymlinks: true });
  const bin = join(modules, '.bin');
  const generate = blocksIn('sh').flatMap((block) => /^npx (openapi-ts .*)$/m.exec(block.code)?.[1] ?? []);
  await run('bash', ['-c', here(generate.join('\n'))], {
    cwd: dir,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` },
  });
  writeFileSync(join(dir, 'program.ts'), here(code));
  for (const [name, [text, mistake]] of Object.entries(mistakes)) {
    assert.ok(code.includes(text), text);
    writeFileSync(join(dir, `${name}.ts`), code.replace(text, mistake));
  }
  for (const compiler of [join(bin, 'tsc'), assetPath('node_modules/.bin/tsc')]) {
    const { stdout } = await run(compiler, ['--pretty', 'false'], { cwd: dir }).catch(
      (error: unknown) => error as { stdout: string },
    );
    const faults = [...stdout.matchAll(/^(\S+)\.ts\(\d+,\d+\): error /gm)].map(([, name = '']) => name);
    assert.deepEqual(faults.toSorted(), Object.keys(mistakes).toSorted(), stdout);
    const ran = await run(process.execPath, [join(dir, 'program.js')]);
    assert.equal(ran.stdout, prints);
    t.diagnostic((await run(compiler, ['--version'])).stdout.trim());
  }
}

type Row = Readonly<Record<string, unknown>>;

/** The rows at a path of an answer: a list, or one object. */
function tableAt(body: unknown, path: string): readonly Row[] {
  const found = path.split('.').reduce<unknown>((part, name) => (part as Row)[name], body);
  return Array.isArray(found) ? (found as Row[]) : [found as Row];
}

function typeOf(value: unknown): string {
  if (typeof value !== 'string') return typeof value;
  return /^\d{4}-\d\d-\d\dT/.test(value) && Number.isFinite(Date.parse(value)) ? 'time' : 'string';
}

/** Runs Prometheus by the page's configuration, with shorter intervals. Returns its origin. */
async function startPrometheus(t: TestContext, dir: string, target: string): Promise<string> {
  const config = join(dir, 'prometheus.yml');
  const { code } = blockIn('yaml');
  const intervals = 'global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n';
  writeFileSync(config, intervals + code.replace(new URL(pageOrigin).host, target));
  await run('promtool', ['check', 'config', config]);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${dir}/prometheus`, `--web.listen-address=${address}`],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return `http://${address}`;
}
