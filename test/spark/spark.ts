/**
 * Spark for tests, small: two threads of this machine. It is installed with
 *     python3 -m venv test/spark/target && test/spark/target/bin/pip install -r test/spark/requirements.txt
 * and wants Java 17.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import type { Engine } from '../../batch/tables/contract.js';
import { localJobStorage } from '../../cluster/spark/job-storage.js';
import { submit } from '../../cluster/spark/submit.js';
import { venvProgram } from '../venv.js';

const { path: program, skip } = venvProgram('test/spark', 'spark-submit', 'Spark');

/** Why tests that need Spark are skipped; false when it is there. */
export const skipSpark =
  skip === false && spawnSync('java', ['-version']).error !== undefined ? 'no Java' : skip;

const settings = {
  'spark.ui.enabled': 'false',
  'spark.log.level': 'WARN',
  'spark.driver.bindAddress': '127.0.0.1',
  'spark.driver.host': '127.0.0.1',
};

/** What pays in the long run only costs where there are many jobs of few rows. */
const forFewRows = {
  'spark.driver.extraJavaOptions': '-XX:TieredStopAtLevel=1',
  'spark.sql.shuffle.partitions': '2',
  'spark.sql.adaptive.enabled': 'false',
  'spark.sql.codegen.wholeStage': 'false',
  'spark.sql.codegen.factoryMode': 'NO_CODEGEN',
};

/** As SWA_SPARK_SUBMIT: two threads of this machine, and so much memory. */
export function submitOf(memory: string, more: Readonly<Record<string, string>>): readonly string[] {
  const conf = Object.entries({ ...settings, ...more });
  return [
    program,
    '--master',
    'local[2]',
    '--driver-memory',
    memory,
    ...conf.flatMap(([name, value]) => ['--conf', `${name}=${value}`]),
  ];
}

/** For tests. */
export const sparkSubmit = submitOf('1g', forFewRows);

/** What Spark is started with. */
export const sparkEnvironment: Readonly<Record<string, string | undefined>> = {
  ...process.env,
  PYSPARK_PYTHON: join(dirname(program), 'python'),
};

/** An engine that waits until as many runs as expected have a job, and computes all of them in one session of Spark. */
export function sharedSpark(runs: number, logPath: string): Engine {
  const waiting: string[] = [];
  let all: ((done: Promise<void>) => void) | undefined;
  const computed = new Promise<void>((resolve) => (all = resolve));
  return {
    async compute({ job, tempDir }) {
      waiting.push(await localJobStorage.put(job, tempDir));
      if (waiting.length === runs)
        all?.(
          submit({
            command: sparkSubmit,
            environment: sparkEnvironment,
            jobs: waiting,
            logPath,
            onMessage: () => undefined,
          }),
        );
      await computed;
    },
  };
}
