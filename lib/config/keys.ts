/**
 * All configuration keys: environment variable, meaning, default and check. This table is the only source for parsing,
 * for `swa config` and for the documentation.
 */
import { z } from 'zod';
import { allBucketMinutes } from '../time/buckets.js';

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be from ${min} to ${max}`);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);
const oneOf = <T extends number>(values: readonly T[]) =>
  z.string().transform((text, context): T => {
    const value = values.find((each) => String(each) === text);
    if (value !== undefined) return value;
    context.addIssue(`must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`);
    return z.NEVER;
  });
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const timeZone = z.string().refine(isTimeZone, { message: 'is not an IANA time zone' });

interface Key<T extends z.ZodType> {
  readonly env: `SWA_${string}`;
  readonly doc: string;
  /** The default as it would be written in the environment. */
  readonly preset: string;
  /** Returns a different default that depends on other keys; undefined for `preset`. */
  readonly presetIn?: (env: Readonly<Record<string, string | undefined>>) => string | undefined;
  readonly schema: T;
  readonly secret?: boolean;
}

const key = <T extends z.ZodType>(
  env: `SWA_${string}`,
  preset: string,
  schema: T,
  doc: string,
  secret = false,
): Key<T> => ({
  env,
  doc,
  preset,
  schema,
  secret,
});

export const keys = {
  dataDir: key('SWA_DATA_DIR', './data', z.string().min(1), 'the data directory: all facts and views'),
  httpHost: key('SWA_HTTP_HOST', '127.0.0.1', z.string().min(1), 'address the HTTP endpoint listens on'),
  httpPort: key('SWA_HTTP_PORT', '8080', whole(0, 65535), 'port of the HTTP endpoint; 0 for any free port'),
  collectorPort: key(
    'SWA_COLLECTOR_PORT',
    '8081',
    whole(0, 65535),
    'port of a collector that runs as its own process',
  ),
  httpHosts: key(
    'SWA_HTTP_HOSTS',
    '',
    list.refine((names) => names.every((name) => /^[a-z0-9_.:-]*[a-z0-9]$/.test(name)), {
      message: 'must be lower-case host names without a port',
    }),
    'comma-separated host names accepted without keys, besides localhost and loopback addresses',
  ),
  corsOrigins: key(
    'SWA_CORS_ORIGINS',
    '',
    list.refine((origins) => origins.every((origin) => /^https?:\/\/[a-z0-9_.:[\]-]+$/.test(origin)), {
      message: 'must be lower-case origins like https://www.example.org',
    }),
    'comma-separated origins whose pages may read answers and, if there are no keys, make changes',
  ),
  apiKeys: key(
    'SWA_API_KEYS',
    '',
    list,
    'comma-separated name:scopes:sha256hex, scopes from write+read+admin; name:read:sha256hex:domain may ask about one domain only',
    true,
  ),
  sites: key(
    'SWA_SITES',
    '',
    z.string(),
    'JSON file of the sites whose pages may send with a browser key (docs/tracker.md); empty means none',
  ),
  trustedProxies: key(
    'SWA_TRUSTED_PROXIES',
    '0',
    whole(0, 99),
    'proxies of your own before the endpoint: the client of a page is so many addresses from the end of X-Forwarded-For',
  ),
  countryHeader: key(
    'SWA_COUNTRY_HEADER',
    '',
    z.string().regex(/^[a-zA-Z0-9-]{0,64}$/, 'must be the name of a header'),
    'request header in which your proxy names the country of a page (CF-IPCountry); empty means none',
  ),
  httpMaxActive: key(
    'SWA_HTTP_MAX_ACTIVE',
    '256',
    whole(1, 100_000),
    'maximum requests handled at once; further ones get 503',
  ),
  httpRatePerMinute: key(
    'SWA_HTTP_RATE_PER_MINUTE',
    '60000',
    whole(0, 1_000_000_000),
    'requests per minute for each key (or address, without keys); 0 means no limit',
  ),
  httpDeadlineMs: key(
    'SWA_HTTP_DEADLINE_MS',
    '10000',
    whole(10, 600_000),
    'time limit for computing an answer',
  ),
  apiToken: key(
    'SWA_API_TOKEN',
    '',
    z.string().regex(/^[!-~]*$/, 'must be printable ASCII without spaces or line ends'),
    'bearer token the swa command sends to a running system',
    true,
  ),
  logLevel: key(
    'SWA_LOG_LEVEL',
    'info',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
    'lowest level that is logged (stderr)',
  ),

  partitions: key(
    'SWA_PARTITIONS',
    '4',
    whole(1, 256),
    'partitions of topic pageviews, fixed when the log is created',
  ),
  segmentBytes: key(
    'SWA_SEGMENT_BYTES',
    '134217728',
    whole(65_536, 2 ** 31),
    'size at which the embedded log starts a new segment',
  ),
  retainBatches: key(
    'SWA_LOG_RETAIN_VIEWS',
    '3',
    whole(1, 1000),
    'the embedded log keeps facts that the last N views do not cover',
  ),
  kafkaBrokers: key('SWA_KAFKA_BROKERS', '', list, 'comma-separated host:port; empty for the embedded log'),
  kafkaTopicPrefix: key(
    'SWA_KAFKA_TOPIC_PREFIX',
    'swa-',
    z.string().regex(/^[A-Za-z0-9._-]{0,100}$/),
    'prefix of topic names',
  ),
  kafkaReplication: key(
    'SWA_KAFKA_REPLICATION',
    '1',
    whole(1, 32),
    'replication factor of topics that swa creates',
  ),
  kafkaTls: key('SWA_KAFKA_TLS', 'false', flag, 'use TLS for connections to the brokers'),
  kafkaCaFile: key(
    'SWA_KAFKA_CA_FILE',
    '',
    z.string(),
    'PEM file of the CA that signed the certificates of the brokers',
  ),
  kafkaSaslMechanism: key(
    'SWA_KAFKA_SASL_MECHANISM',
    '',
    z.enum(['', 'plain', 'scram-sha-256', 'scram-sha-512']),
    'SASL mechanism; empty means none',
  ),
  kafkaSaslUsername: key('SWA_KAFKA_SASL_USERNAME', '', z.string(), 'SASL user'),
  kafkaSaslPassword: key('SWA_KAFKA_SASL_PASSWORD', '', z.string(), 'SASL password', true),

  store: key(
    'SWA_STORE',
    '',
    z.string().regex(/^(s3:\/\/[a-z0-9][a-z0-9.-]+(\/[A-Za-z0-9!_.*'()/-]*)?|file:\/\/\/.+)?$/, {
      message: 'must be s3://bucket/prefix or file:///path',
    }),
    'object store that hosts share: s3://bucket/prefix or file:///path; empty means this machine alone',
  ),
  storeEndpoint: key(
    'SWA_STORE_ENDPOINT',
    '',
    z.string().regex(/^(https?:\/\/[^/?#]+\/?)?$/, 'must be like https://s3.example.org'),
    'where the S3-compatible service answers; empty means Amazon',
  ),
  storeRegion: key('SWA_STORE_REGION', 'us-east-1', z.string().min(1), 'region of the bucket'),
  cacheBytes: key(
    'SWA_CACHE_BYTES',
    '107374182400',
    whole(2 ** 20, Number.MAX_SAFE_INTEGER),
    'bytes of the object store that are kept on this machine',
  ),

  lgK: key('SWA_LG_K', '14', whole(8, 18), 'sketch size 2^lgK, fixed when the data directory is created'),
  bucketMinutes: key(
    'SWA_BUCKET_MINUTES',
    '60',
    oneOf(allBucketMinutes),
    'minutes of a base bucket: 60, 30 or 15, fixed when the data directory is created',
  ),
  urlQueryAllow: key('SWA_URL_QUERY_ALLOW', '', list, 'query parameters to keep in page URLs'),
  bots: key('SWA_BOTS', 'exclude', z.enum(['exclude', 'include']), 'whether views count known bots'),
  dimensions: key('SWA_DIMENSIONS', 'all', list, 'dimensions to count: all, or a list; empty for none'),
  dedupWindow: key(
    'SWA_DEDUP_WINDOW',
    '1000000',
    whole(0, 100_000_000),
    'number of records per partition in which the realtime view recognises repeats',
  ),

  sinkMaxRows: key(
    'SWA_SINK_MAX_ROWS',
    '500000',
    whole(1, 10_000_000),
    'rows in one Parquet file before compaction',
  ),
  sinkIntervalMs: {
    ...key(
      'SWA_SINK_INTERVAL_MS',
      '10000',
      whole(10, 3_600_000),
      'maximum time before facts are written to Parquet; 60000 by default where SWA_STORE is a bucket',
    ),
    presetIn: ({ SWA_STORE: store }) => (store?.startsWith('s3://') === true ? '60000' : undefined),
  } satisfies Key<z.ZodType>,

  batchSchedule: key(
    'SWA_BATCH_SCHEDULE',
    '0 * * * *',
    z.string().min(1),
    'cron expression of batch runs; "off" for none',
  ),
  batchTimeZone: key('SWA_BATCH_TIME_ZONE', 'UTC', timeZone, 'time zone of the cron expression'),
  retentionDays: key(
    'SWA_RETENTION_DAYS',
    '0',
    whole(0, 36_500),
    'pageviews older than this many days leave answers and files, and so do older edges whose ids no later pageview has; 0 keeps them',
  ),
  erasureHours: key(
    'SWA_ERASURE_HOURS',
    '24',
    whole(1, 8_760),
    'an erasure that is not done after this many hours is reported as a problem, with its id and step',
  ),
  batchKeepViews: key('SWA_BATCH_KEEP_VIEWS', '3', whole(1, 100), 'batch views kept for roll back'),
  batchMemory: key(
    'SWA_BATCH_MEMORY',
    '2GB',
    z
      .string()
      .regex(/^\d+(\.\d+)?(MB|GB)$/, 'must be a size like 512MB or 2GB')
      .refine(
        (size) => Number.parseFloat(size) * (size.endsWith('GB') ? 1000 : 1) >= 128,
        'must be at least 128MB',
      ),
    'memory limit of DuckDB in a batch run',
  ),
  batchThreads: key('SWA_BATCH_THREADS', '2', whole(1, 256), 'threads used by a batch run'),
  batchEngine: key(
    'SWA_BATCH_ENGINE',
    'duckdb',
    z.enum(['duckdb', 'spark']),
    'what computes batch runs: this machine, or Apache Spark (docs/scaling.md)',
  ),
  sparkSubmit: key(
    'SWA_SPARK_SUBMIT',
    'spark-submit',
    z
      .string()
      .transform((text) => text.split(/\s+/).filter((part) => part !== ''))
      .refine((parts) => parts.length > 0, { message: 'must be a command' }),
    'spark-submit of Spark 4 with its options, separated by blanks; used if SWA_BATCH_ENGINE is spark',
  ),
  maxPersonIds: key(
    'SWA_MAX_PERSON_IDS',
    '0',
    whole(0, 1_000_000_000),
    'persons with more ids than this are not joined; 0 for no limit',
  ),

  speedEpochTuples: key(
    'SWA_SPEED_EPOCH_TUPLES',
    '200000',
    whole(1, 1_000_000),
    'maximum records in one epoch of the speed layer',
  ),
  speedWorkers: key(
    'SWA_SPEED_WORKERS',
    '1',
    whole(1, 64),
    'number of speed processes that share the embedded log; with Kafka they share it automatically',
  ),
  speedWorker: key('SWA_SPEED_WORKER', '0', whole(0, 63), 'number of this process among them, from 0'),
  speedSecret: key(
    'SWA_SPEED_SECRET',
    '',
    z.string().regex(/^([!-~]{16,})?$/, 'must be at least 16 printable ASCII characters without spaces'),
    'secret by which query processes on other hosts read speed workers over HTTP; empty: only those of this data directory do',
    true,
  ),
  speedHost: key(
    'SWA_SPEED_HOST',
    '127.0.0.1',
    z.string().min(1),
    'address at which a speed worker is read by other hosts',
  ),
  speedPort: key('SWA_SPEED_PORT', '8082', whole(0, 65535), 'port of it; 0 for any free port'),
  speedUrl: key(
    'SWA_SPEED_URL',
    '',
    z.string().regex(/^(https?:\/\/[^/?#\s]+)?$/, 'must be like http://10.0.0.7:8082'),
    'where other hosts reach it; empty means its address and port',
  ),
  speedReplicas: key(
    'SWA_SPEED_REPLICAS',
    '1',
    whole(1, 8),
    'number of speed workers that hold each partition, where they are read over HTTP',
  ),
} as const;

export type Keys = typeof keys;

/** The checked configuration: one readonly field per key. */
export type Config = { readonly [K in keyof Keys]: z.output<Keys[K]['schema']> };

function isTimeZone(name: string): boolean {
  if (name === 'UTC') return true; // the default; skips loading the time zone tables, which takes 30 ms
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
