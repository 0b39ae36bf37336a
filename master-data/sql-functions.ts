/**
 * Registers our own SQL functions, which process whole vectors; DuckDB's threads call them one at a time. An error in a
 * function ends the statement and is thrown by `during`, because DuckDB cannot pass it on.
 */
import {
  BOOLEAN,
  DuckDBScalarFunction,
  INTEGER,
  UBIGINT,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBVector,
} from '@duckdb/node-api';
import { booleans, integersOf, texts, words } from './columns.js';
import { TextColumn } from './arrays/text-column.js';

export class SqlFunctions {
  readonly #connection: DuckDBConnection;
  #failure: { readonly error: unknown } | undefined;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /**
   * Registers a function that numbers texts. Equal texts have equal numbers, so DuckDB may call it only for a
   * dictionary's entries. Null is read as an empty text.
   */
  numbers(name: string, read: (texts: TextColumn, numbers: Int32Array) => void): void {
    const column = new TextColumn();
    const mainFunction = (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector): void => {
      const numbers = integersOf(output);
      this.#guard(() => {
        column.read(texts(input, 0));
        read(column, numbers);
      });
      output.flush();
    };
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({ name, parameterTypes: [VARCHAR], returnType: INTEGER, mainFunction }),
    );
  }

  /** Registers a function that flags 64-bit hashes, given as pairs of words, the low one first. */
  flags(name: string, flag: (hashes: Uint32Array, flags: Uint8Array) => void): void {
    const mainFunction = (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector): void => {
      const flags = booleans(output);
      this.#guard(() => flag(words(input, 0), flags));
      output.flush();
    };
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({ name, parameterTypes: [UBIGINT], returnType: BOOLEAN, mainFunction }),
    );
  }

  /** Runs a statement that may call the functions, and throws their error if there is one. */
  async during<T>(statement: () => Promise<T>): Promise<T> {
    const outcome = await Promise.allSettled([statement()]);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (outcome[0].status === 'rejected') throw outcome[0].reason;
    return outcome[0].value;
  }

  #guard(work: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#failure = { error };
    }
  }
}
