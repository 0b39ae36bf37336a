/**
 * Rules tables: what the rules make of every distinct text of a snapshot, a row for each, in Parquet. Whoever has them needs no
 * rules, only joins (contract.ts). Texts never pass through here but to be read: what is joined by is as it lies in the files.
 *
 * Memory is DuckDB's: what does not fit is spilled.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { resultName, type TextName } from '../../facts/dimensions/choice.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import { parseExclusionKey } from '../../facts/exclusion-key.js';
import { Exclusions, withoutErasedValues, type ComparedText } from '../../facts/exclusions.js';
import type { ExclusionRule } from '../../facts/fact.js';
import { isPlaceholderId, placeholderPattern } from '../../facts/placeholders.js';
import type { Rules } from '../../facts/rules.js';
import { domainOf } from '../../facts/url/domain.js';
import { textIn } from '../../master-data/columns.js';
import { openDuckDb, sqlName, sqlText } from '../../master-data/duckdb.js';
import type { Snapshot } from '../../master-data/snapshot.js';
import type { Job, JobDimension, RulesTable } from './contract.js';
import { sqlIsTime, sqlSnapshot } from './master-facts.js';

export interface RulesTablesOptions {
  readonly snapshot: Pick<Snapshot, 'files' | 'cut'>;
  readonly rules: Rules;
  /** Where the tables are written; must exist. */
  readonly dir: string;
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
  /** Hears of so many more texts that were worked through. */
  readonly onTexts: (texts: number) => void;
}

export interface RulesTables {
  readonly rules: Job['rules'];
  readonly dimensions: readonly JobDimension[];
  /** Exclusions in force at the cut, and how many facts there are that exclude or take back. */
  readonly live: readonly ExclusionRule[];
  readonly exclusionFacts: number;
}

/** Of a text, by column of its table; a column that is not there is null. */
type Row = Readonly<Record<string, string | boolean | undefined>>;

interface ExcludedText {
  readonly by: ComparedText;
  readonly text: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

const rowsAtOnce = 20_000;
/** Columns of pageviews, by text that rules read; page and tags are made of the URL. */
const columnOf = { userAgent: 'user_agent', referrer: 'referrer', country: 'country' } as const;
/** What an exclusion is compared with. */
const excludedColumn: Readonly<Record<ComparedText, string>> = {
  visitor: 'visitor',
  importId: 'import_id',
  userAgent: 'user_agent',
  urlPrefix: 'page',
};
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const separators = /[\u0000-\u001f]/;

/** Whether an edge may name an id: a placeholder stands for anyone, and ids in order are told apart by separators (lib/memory/packed-texts.ts). */
export function isJoinable(id: string): boolean {
  return !isPlaceholderId(id) && !separators.test(id);
}

export async function writeRulesTables(options: RulesTablesOptions): Promise<RulesTables> {
  const { snapshot, rules, dir, tempDir } = options;
  mkdirSync(tempDir, { recursive: true });
  const database = await openDuckDb({
    allowedDirectories: [...new Set(snapshot.files.map(({ path }) => dirname(path))), dir, tempDir],
    tempDirectory: tempDir,
    memoryLimit: options.memoryLimit,
    threads: options.threads,
  });
  try {
    const writer = new Writer(database.connection, options);
    const { live, facts } = await writer.liveExclusions();
    const exclusions = new Exclusions(live, rules);
    const excludedPages = new Set<string>();
    const { results } = rules.dimensions;
    const resultsOf = (text: TextName, value: string): Row =>
      Object.fromEntries(
        results
          .filter((result) => result.text === text)
          .map((result) => [resultName(result), rules.dimensions.resultOf(result, value) || undefined]),
      );
    const columnsOf = (...texts: readonly TextName[]): string[] =>
      results.filter(({ text }) => texts.includes(text)).map(resultName);
    const urls = await writer.table('url', ['page', 'domain', ...columnsOf('page', 'tags')], [], (url) => {
      const page = rules.url.normalizeNew(url);
      if (!page.ok) return {};
      if (exclusions.timesOf('urlPrefix', page.url) !== undefined) excludedPages.add(page.url);
      const ofPage = resultsOf('page', page.url);
      return { page: page.url, domain: domainOf(page.url), ...ofPage, ...resultsOf('tags', tagsOf(url)) };
    });
    const tables = [urls];
    for (const [text, column] of Object.entries(columnOf) as ['userAgent', 'user_agent'][]) {
      const flags = text === 'userAgent' ? ['bot'] : [];
      const columns = columnsOf(text);
      if (flags.length + columns.length === 0) continue;
      tables.push(
        await writer.table(column, columns, flags, (value) => ({
          bot: rules.bots.excludes(value),
          ...resultsOf(text, value),
        })),
      );
    }
    const excluded: ExcludedText[] = live.flatMap(({ by, value, from, to }) =>
      by === 'urlPrefix' || by === 'erased' ? [] : [{ by, text: value, from, to }],
    );
    for (const text of excludedPages)
      for (const [from, to] of exclusions.timesOf('urlPrefix', text) ?? [])
        excluded.push({ by: 'urlPrefix', text, from, to });
    return {
      rules: {
        ofTexts: tables,
        ids: await writer.ids(exclusions),
        excluded: await writer.excluded(excluded),
      },
      dimensions: rules.dimensions.kept.map(({ name, otherwise = null }, i) => ({
        name,
        otherwise,
        choices: (rules.dimensions.choices[i] ?? []).flatMap(({ result, exceptOwnDomain }) => {
          const found = results[result];
          return found === undefined ? [] : [{ column: resultName(found), exceptOwnDomain }];
        }),
      })),
      live,
      exclusionFacts: facts,
    };
  } finally {
    database.close();
  }
}

class Writer {
  readonly #connection: DuckDBConnection;
  readonly #options: RulesTablesOptions;

  constructor(connection: DuckDBConnection, options: RulesTablesOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Of all facts that say the same the latest wins, by (timestamp, partition, offset). */
  async liveExclusions(): Promise<{ readonly live: readonly ExclusionRule[]; readonly facts: number }> {
    const found = await this.#connection.run(
      `select encode(json_array("by", value, "from", "to")), max_by(kind, (timestamp, partition, "offset")) = 'exclude', count(*)::double
       from ${sqlSnapshot('equivs', this.#options.snapshot)}
       where kind in ('exclude', 'include') and ${sqlIsTime} group by all order by 1`,
    );
    const live: ExclusionRule[] = [];
    let facts = 0;
    for (const chunk of await found.fetchAllChunks()) {
      const [lives, counts] = [chunk.getColumnVector(1), chunk.getColumnVector(2)];
      for (let row = 0; row < chunk.rowCount; row++) {
        facts += Number(counts.getItem(row));
        if (lives.getItem(row) === true) live.push(parseExclusionKey(textIn(chunk.getColumnVector(0), row)));
      }
    }
    return { live: withoutErasedValues(live, this.#options.rules.erasures), facts };
  }

  /** Works through the distinct texts of a column of pageviews. */
  async table(
    key: string,
    columns: readonly string[],
    flags: readonly string[],
    rowOf: (text: string) => Row,
  ): Promise<RulesTable> {
    const texts = `select distinct ${key} as text from ${sqlSnapshot('pageviews', this.#options.snapshot)} where ${key} <> ''`;
    const path = await this.#write(key, texts, columns, flags, rowOf);
    return { path, key, columns, flags };
  }

  /** What is to be known of ids: of most there is nothing, and no row. DuckDB finds those that may be placeholders. */
  ids({ erased }: Exclusions): Promise<string> {
    const { snapshot } = this.#options;
    const mayBe = `regexp_matches(text, ${sqlText(placeholderPattern)}) or regexp_matches(text, '[\\x00-\\x1f]')`;
    const texts = `select distinct text from (
        select visitor as text from ${sqlSnapshot('pageviews', snapshot)}
        union all select unnest([a, b]) from ${sqlSnapshot('equivs', snapshot)} where a is not null or b is not null
      ) where text <> ''${erased.isEmpty ? ` and (${mayBe})` : ''}`;
    return this.#write('id', texts, [], ['nobody', 'erased', 'joins'], (id) => {
      const row = {
        nobody: isPlaceholderId(id),
        erased: erased.has(id),
        joins: isJoinable(id) && !erased.has(id),
      };
      return row.joins ? undefined : row;
    });
  }

  async excluded(rows: readonly ExcludedText[]): Promise<Job['rules']['excluded']> {
    const { path, target } = this.#place('excluded');
    await this.#connection.run(
      'create or replace temp table result ("by" varchar, text varchar, "from" varchar, "to" varchar)',
    );
    const appender = await this.#connection.createAppender('result');
    const limit = (time: number | undefined): void => {
      if (time === undefined || !Number.isFinite(time)) appender.appendNull();
      else appender.appendVarchar(String(time));
    };
    for (const { by, text, from, to } of rows) {
      appender.appendVarchar(excludedColumn[by]);
      appender.appendVarchar(text);
      limit(from);
      limit(to);
      appender.endRow();
    }
    appender.closeSync();
    await this.#connection.run(
      `copy (select "by", text, "from"::bigint as "from", "to"::bigint as "to" from result) to ${target}`,
    );
    return { path, columns: [...new Set(rows.map(({ by }) => excludedColumn[by]))] };
  }

  /** Writes the rows of texts; returns the table's path. */
  async #write(
    key: string,
    texts: string,
    columns: readonly string[],
    flags: readonly string[],
    rowOf: (text: string) => Row | undefined,
  ): Promise<string> {
    const connection = this.#connection;
    await connection.run(
      `create or replace temp table texts as select row_number() over () as number, text from (${texts})`,
    );
    const typed = [
      ...columns.map((name) => `${sqlName(name)} varchar`),
      ...flags.map((name) => `${sqlName(name)} boolean`),
    ];
    await connection.run(`create or replace temp table result (${['number bigint', ...typed].join(', ')})`);
    const appender = await connection.createAppender('result');
    for (let from = 0; ; from += rowsAtOnce) {
      const found = await connection.run(
        `select encode(text) from texts where number > ${from} and number <= ${from + rowsAtOnce} order by number`,
      );
      let number = from;
      for (const chunk of await found.fetchAllChunks()) {
        const vector = chunk.getColumnVector(0);
        for (let row = 0; row < chunk.rowCount; row++) {
          const results = rowOf(textIn(vector, row));
          number++;
          if (results === undefined) continue;
          appender.appendBigInt(BigInt(number));
          for (const name of columns) {
            const value = results[name];
            if (typeof value === 'string') appender.appendVarchar(value);
            else appender.appendNull();
          }
          for (const name of flags) appender.appendBoolean(results[name] === true);
          appender.endRow();
        }
      }
      if (number === from) break;
      appender.flushSync();
      this.#options.onTexts(number - from);
    }
    appender.closeSync();
    const { path, target } = this.#place(key);
    const names = [...columns, ...flags].map(sqlName);
    await connection.run(
      `copy (select ${[`text as ${key}`, ...names].join(', ')} from texts join result using (number)) to ${target}`,
    );
    return path;
  }

  /** Of a table's file; `target` is what `copy` writes it to. */
  #place(name: string): { readonly path: string; readonly target: string } {
    const path = join(this.#options.dir, `${name}.parquet`);
    return { path, target: `${sqlText(path)} (format parquet, compression zstd)` };
  }
}
