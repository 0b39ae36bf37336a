/**
 * CSV by RFC 4180: CRLF, a header line, quotes where needed, times as RFC 3339 UTC. Texts that a spreadsheet would run as a formula (visitor ids come
 * from strangers) get an apostrophe in front. So do texts that begin with an apostrophe, so that removing one always restores the text.
 */
import type { Cell, Column, Table } from './table.js';

export function toCsv(table: Table): string {
  const lines = [table.columns.map((column) => quote(column.name)).join(',')];
  for (const row of table.rows) {
    lines.push(table.columns.map((column, i) => field(column, row[i] ?? null)).join(','));
  }
  return `${lines.join('\r\n')}\r\n`;
}

function field(column: Column, cell: Cell): string {
  if (cell === null) return '';
  if (column.type === 'time') return new Date(Number(cell)).toISOString();
  return typeof cell === 'string' ? quote(harmless(cell)) : String(cell);
}

function harmless(text: string): string {
  return /^[=+\-@\t\r\n']/.test(text) ? `'${text}` : text;
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
