/** Configures kafkajs for the brokers and translates its errors. */
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { installCodecs } from './batch-codecs.js';

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly tls: false | { readonly ca: readonly string[] };
  readonly sasl:
    undefined | { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string };
}

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

/** Limits of retries, chosen so that a caller learns of a missing broker within seconds. */
export const retry = { initialRetryTime: 100, maxRetryTime: 2000, retries: 6 };

/** Time after which partitions added to a topic are seen; the default of kafkajs is 5 minutes. */
const metadataMaxAgeMs = 5_000;

export class KafkaConnection {
  readonly brokers: readonly string[];
  readonly kafka: Kafka;
  /**
   * For an admin that sees all durable records and new partitions; `kafka` reads only up to the first open transaction.
   */
  readonly durable: Kafka;
  readonly #attempts = new Set<Promise<unknown>>();

  constructor(options: KafkaOptions) {
    installCodecs();
    this.brokers = options.brokers;
    const config = configOf(options);
    this.kafka = new kafkajs.Kafka(config);
    this.durable = new DurableKafka(config);
  }

  /** Runs `body` and turns any error that is not a SwaError into `log.unavailable` (retryable). */
  async attempt<T>(what: string, body: () => Promise<T>): Promise<T> {
    const attempt = body();
    this.#attempts.add(attempt);
    try {
      return await attempt;
    } catch (error) {
      throw error instanceof SwaError ? error : this.unavailable(what, error);
    } finally {
      this.#attempts.delete(attempt);
    }
  }

  /** Resolves when all attempts begun so far have ended; kafkajs keeps retrying for some seconds. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#attempts);
  }

  unavailable(what: string, cause: unknown): SwaError {
    return new SwaError(
      'log.unavailable',
      `cannot ${what} Kafka at ${this.brokers.join(', ')}: ${messageOf(cause)}`,
      { cause, retryable: true, hint: 'check that the brokers run and that the SWA_KAFKA_* keys are right' },
    );
  }
}

/**
 * kafkajs always requests offsets with isolation level "read committed", so brokers return the last stable offset: the
 * first record of the oldest open transaction. Its cluster can request the durable end (the high watermark), but no
 * public option enables that, so this class wraps the function that creates clusters. It also shortens the metadata
 * age, so that added partitions are seen sooner.
 */
class DurableKafka extends kafkajs.Kafka {
  constructor(config: KafkaConfig) {
    super(config);
    const key = Object.getOwnPropertySymbols(this).find(
      ({ description }) => description === 'private:Kafka:createCluster',
    );
    const make: unknown = key === undefined ? undefined : Reflect.get(this, key);
    if (key === undefined || typeof make !== 'function')
      throw new SwaError(
        'internal.invariant',
        'this version of kafkajs is not supported: its cluster differs from version 2.2.4',
      );
    const own = { isolationLevel: 0, metadataMaxAge: metadataMaxAgeMs };
    Reflect.set(this, key, (options: object): unknown => Reflect.apply(make, this, [{ ...options, ...own }]));
  }
}

function configOf({ brokers, tls, sasl }: KafkaOptions): KafkaConfig {
  return {
    clientId: 'swa',
    brokers: [...brokers],
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry,
    logLevel: kafkajs.logLevel.NOTHING, // relevant problems arrive as errors
    ...(tls === false ? {} : { ssl: tls.ca.length === 0 ? true : { ca: [...tls.ca] } }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

/** Written out because kafkajs has a separate type for each mechanism. */
function saslOf({ mechanism, username, password }: NonNullable<KafkaOptions['sasl']>): SASLOptions {
  if (mechanism === 'plain') return { mechanism, username, password };
  if (mechanism === 'scram-sha-256') return { mechanism, username, password };
  return { mechanism, username, password };
}
