/** A thread that turns blocks of lines into records for an import (take-lines.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { BotRule, type BotsMode } from '../facts/bots.js';
import { UrlRules, type UrlRulesOptions } from '../facts/url/normalize.js';
import { serveRequests } from '../lib/process/request-thread.js';
import type { FormatElsewhere, FormatOf } from './line-format.js';
import { digestWords } from './line-ids.js';
import type { LineBlock } from './lines.js';
import { packRecords, type PackedRecords } from './packed-records.js';
import { takeLines, type TakenBlock, type TakeOptions } from './take-lines.js';

/** Data that a thread is started with. */
export interface TakeSetup {
  readonly format: FormatElsewhere;
  /** The lines that the file was opened with. */
  readonly first: readonly string[];
  readonly lineKey: string;
  readonly urls: UrlRulesOptions;
  readonly bots: BotsMode | undefined;
  readonly importId: string | undefined;
}

export interface TakeProtocol {
  readonly request: {
    readonly block: LineBlock;
    readonly receivedAt: number;
    /** State lines from before the block: they are read first, and their results ignored. */
    readonly state: readonly string[];
  };
  readonly response: TakenBlock<never> & { readonly packed: PackedRecords };
  readonly event: never;
}

async function begin(setup: TakeSetup): Promise<TakeOptions> {
  // the module from which the importing thread has its format
  const { formatOf } = (await import(setup.format.module)) as { readonly formatOf: FormatOf };
  const format = await formatOf(setup.format.stored, () => setup.lineKey);
  return {
    reader: format.open(setup.first),
    urls: new UrlRules(setup.urls),
    bots: setup.bots === undefined ? undefined : new BotRule(setup.bots),
    importId: setup.importId,
    lineKey: setup.lineKey,
    isWhole: () => true, // only the end of a file can be incomplete, and threads do not get it
  };
}

if (parentPort !== null) {
  const taking = begin(workerData as TakeSetup);
  taking.catch(() => undefined); // reported to the caller
  serveRequests<TakeProtocol>(
    parentPort,
    { code: 'import.failed', retryable: false },
    async ({ block, receivedAt, state }) => {
      const ready = await taking;
      for (const line of state) ready.reader.read(line);
      const taken = takeLines(block, receivedAt, ready);
      const { facts } = taken;
      return {
        ...taken,
        facts: [],
        flags: taken.flags.slice(0, facts.length),
        digests: taken.digests.slice(0, digestWords * facts.length),
        packed: packRecords(facts, ready.urls),
      };
    },
  );
}
