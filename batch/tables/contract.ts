/**
 * The batch contract: what an engine that computes elsewhere (cluster/spark/) is given and gives back. All of it is plain Parquet,
 * but for the job, which is one JSON file:
 *
 *   given    the files of the master dataset in a snapshot, as they are (master-data/schema.ts)
 *            rules tables (rules-tables.ts): a row for each distinct text with what the rules make of it, so that an engine needs no rules
 *   back     cells        kind, domain, subject, bucket, pageviews, sketch     one for each bucket in which a subject has pageviews; `kind` is
 *                         `page`, `domain` or the name of a dimension, `bucket` counts `bucketMinutes`, `sketch` is a DataSketches HLL of PersonIDs
 *            visits       domain, bucket, visits, bounces, pageviews, duration_ms    by the bucket a visit began in
 *            persons      person, visitor                                      every id of each person of two or more, the PersonID too
 *            statistics   name, value, id                                      `statisticNames`; `capped` with the least id of a component
 *
 * Days and months are unions of their buckets: the view builder (view-of-tables.ts) makes them. Texts are told apart and ordered as bytes of UTF-8.
 */
import { z } from 'zod';
import type { Config, Environment } from '../../lib/config/config.js';
import type { Cut, Topic } from '../../log/log.js';
import type { Column } from '../../master-data/schema.js';
import type { SnapshotFile } from '../../master-data/snapshot.js';

/** Changes when engines must be changed with it. */
export const contractVersion = 3;

export interface JobFile extends Pick<SnapshotFile, 'topic' | 'partition' | 'path' | 'sizeBytes' | 'sha256'> {
  /** Rows at or above it do not belong to the snapshot. */
  readonly endOffset: number;
}

/** A rules table that is joined to pageviews. */
export interface RulesTable {
  readonly path: string;
  /** The text: a column of pageviews, and of the table. */
  readonly key: string;
  /** Its other columns, of texts and of booleans; null where there is no result. */
  readonly columns: readonly string[];
  readonly flags: readonly string[];
}

/** A dimension of facts/subjects.ts as data. */
export interface JobDimension {
  readonly name: string;
  /** Columns of rules tables, the first that holds a value counts. */
  readonly choices: readonly { readonly column: string; readonly exceptOwnDomain: boolean }[];
  /** The value where none does; null: then the pageview has none. */
  readonly otherwise: string | null;
}

export interface Job {
  readonly contract: number;
  readonly cut: Cut;
  readonly lgK: number;
  readonly bucketMinutes: number;
  /** A view so long after the one before begins a new visit. */
  readonly visitGapMs: number;
  /** Components of more ids are left unjoined; 0: no cap. */
  readonly maxPersonIds: number;
  /** Times of facts lie in [from, to), UTC ms. */
  readonly times: { readonly from: number; readonly to: number };
  /**
   * Pageviews of an earlier time are excluded (SWA_RETENTION_DAYS), and so are edges of an earlier time, retractions among them, unless one of
   * their ids has a pageview from then on, whether it counts or not; UTC ms. null: facts of any time count.
   */
  readonly keptFrom: number | null;
  /** A file lacks those that are newer than it: they are null. */
  readonly columns: Readonly<Record<Topic, readonly Pick<Column, 'name' | 'type'>[]>>;
  readonly files: readonly JobFile[];
  readonly rules: {
    readonly ofTexts: readonly RulesTable[];
    /** id, nobody, erased, joins: ids that are placeholders, are erased, or may not be joined by edges; all others are not there. */
    readonly ids: string;
    /**
     * by, text, from, to: texts of a column of pageviews, or of results of their texts, that are left out in [from, to), UTC ms, null
     * for no limit. `columns` are all that there are in `by`.
     */
    readonly excluded: { readonly path: string; readonly columns: readonly string[] };
  };
  readonly dimensions: readonly JobDimension[];
  /** Directory of the tables that come back, each a directory of Parquet files. */
  readonly out: string;
}

export const outTables = ['cells', 'visits', 'persons', 'statistics'] as const;
export type OutTable = (typeof outTables)[number];

const count = z.number().int().nonnegative();
export const statisticsSchema = z.object({
  repeats: count,
  refusedUrls: count,
  botPageviews: count,
  excludedPageviews: count,
  pageviews: count,
  /** Records of edges that may join; retractions, repeats and live ones among these. */
  edges: count,
  retractions: count,
  repeatedEdges: count,
  liveEdges: count,
  /** Persons with pageviews that count. */
  persons: count,
  joinedIds: count,
  components: count,
  largestComponent: count,
  cappedComponents: count,
});
export type EngineStatistics = z.output<typeof statisticsSchema>;

export interface EngineProgress {
  readonly step: 'persons' | 'facts' | 'buckets';
  /** Parts of the work that go on now, such as tasks: how many are done. */
  readonly done: number;
  /** Of so many; 0 where unknown. */
  readonly of: number;
}

/** Where the engine of a run comes from: the core knows none, and loads the one that is configured. */
export interface EngineSource {
  /** URL of a module that exports `openEngine`. */
  readonly module: string;
  /** What the engine's programs are started with. */
  readonly environment: Environment;
}

export interface EngineModule {
  readonly openEngine: (config: Config, environment: Environment) => Engine;
}

/** Computes the tables of a job. */
export interface Engine {
  /** Rejects with what went wrong, or the signal's reason; then nothing of it runs any more. */
  compute(options: {
    readonly job: Job;
    /** Scratch space; swept after the run. */
    readonly tempDir: string;
    readonly onProgress: (progress: EngineProgress) => void;
    readonly signal: AbortSignal | undefined;
  }): Promise<void>;
}
