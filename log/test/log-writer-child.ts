/**
 * A process that appends to an embedded log until it is killed. Writes a line to stdout for each result: `+ <texts>`
 * when they are durable, `! <code>` when they were rejected. Arguments: directory, segment bytes, a name that makes its
 * texts unique.
 */
import { writeSync } from 'node:fs';
import { SwaError } from '../../lib/errors/errors.js';
import { openEmbeddedWriter } from '../embedded/writer.js';
import { record, suitePartitions } from './log-conformance.js';

const [dir = '', segmentBytes = '', name = ''] = process.argv.slice(2);
const writer = await openEmbeddedWriter({
  dir,
  partitions: suitePartitions,
  segmentBytes: Number(segmentBytes),
});

async function client(id: number): Promise<void> {
  for (let i = 0; ; i++) {
    const texts = Array.from({ length: 1 + ((i * 7 + id) % 40) }, (_, k) => `${name}.${id}.${i}.${k}`);
    try {
      await writer.append(
        texts.map((text) => record(text, text.padEnd(100), i % 5 === 0 ? 'equivs' : 'pageviews')),
      );
      writeSync(1, `+ ${texts.join(' ')}\n`);
    } catch (error) {
      writeSync(1, `! ${error instanceof SwaError ? `${error.code} ${error.retryable}` : String(error)}\n`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

await Promise.all([0, 1, 2, 3].map(client));
