/** One broker for all tests of a file: started before the first, gone after the last. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { KafkaBroker, kafkaSkip, type BrokerSecurity } from './broker.js';

export interface SuiteBroker {
  /** Why the tests cannot run here; false when they can. */
  readonly skip: string | false;
  /** The broker, while tests run. */
  readonly broker: () => KafkaBroker;
}

/** To be called at the top of a test file. */
export function suiteBroker(security?: BrokerSecurity): SuiteBroker {
  const skip = kafkaSkip();
  let broker: KafkaBroker | undefined;
  before(async () => {
    if (skip === false) broker = await KafkaBroker.start(security);
  });
  after(async () => {
    await broker?.dispose();
  });
  return {
    skip,
    broker: () => {
      assert.ok(broker !== undefined, 'the broker runs');
      return broker;
    },
  };
}
