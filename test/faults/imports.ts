/** An import straight into the log, killed and run again until it says that every fact is accepted. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Layer } from './layer.js';
import { makeFacts } from './load.js';
import { Trial } from './trial.js';

const factsInFile = 2_500;
const maxKills = 2;

const killImport: Layer = {
  name: 'kill -9 of an import',
  rounds: 1,
  minimum: 1,
  skip: false,
  async open(t) {
    const trial = await Trial.start(t, 'together');
    return {
      round: (random, number) =>
        trial.round(random, async () => {
          const { system, history } = trial;
          await system.kill('all');
          const facts = makeFacts(random, `import ${number}`, factsInFile);
          const path = join(system.dataDir, '..', `facts-${number}.ndjson`);
          writeFileSync(path, facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
          let killed = 0;
          for (;;) {
            history.sending(facts);
            const child = system.spawn(['import', '--format', 'ndjson', path]);
            const ended = once(child, 'close');
            // The first line it says comes when it has the log.
            if (child.stderr !== null) await once(child.stderr, 'data');
            const timer = delay(random(150)).then(() => (killed < maxKills ? child.kill('SIGKILL') : false));
            const [code, signal] = await ended;
            await timer;
            if (signal === 'SIGKILL') killed++;
            else if (code === 0) break;
            else throw new Error(`the import ended with code ${String(code)}`);
          }
          history.acknowledged(facts);
          return killed > 0;
        }),
    };
  },
};

export const importLayers: readonly Layer[] = [killImport];
