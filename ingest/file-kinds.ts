/** Detects by its first bytes whether a file is text, gzip, or of a kind that must be unpacked or converted before the import. */
import { SwaError } from '../lib/errors/errors.js';

/** Other kinds of files: first bytes in hex, name of the kind, and the pipe that converts the file to text. */
const others: readonly (readonly [begin: string, name: string, hint: string])[] = [
  ['fffe', 'UTF-16 (it begins with the byte order mark)', 'iconv -f UTF-16 -t UTF-8 FILE | swa import ... -'],
  ['feff', 'UTF-16 (it begins with the byte order mark)', 'iconv -f UTF-16 -t UTF-8 FILE | swa import ... -'],
  ['28b52ffd', 'compressed by zstd', 'zstd -dc FILE | swa import ... -'],
  ['fd377a585a00', 'compressed by xz', 'xz -dc FILE | swa import ... -'],
  ['425a68', 'compressed by bzip2', 'bzip2 -dc FILE | swa import ... -'],
  ['04224d18', 'compressed by lz4', 'lz4 -dc FILE | swa import ... -'],
  ['1f9d', 'compressed by compress', 'gzip -dc FILE | swa import ... -'],
  ['504b0304', 'a zip archive', 'unzip -p FILE | swa import ... -'],
  [
    '50415231',
    'Parquet',
    'swa import --format parquet FILE for facts of `swa export`; with --columns for other tables',
  ],
];

/** Throws `import.failed`, with a hint, if the file is of a known kind other than text and gzip. */
export function refuseOtherKinds(first: Buffer): void {
  const begin = first.toString('hex', 0, 8);
  const other = others.find(([bytes]) => begin.startsWith(bytes));
  if (other !== undefined)
    throw new SwaError('import.failed', `the file is not plain text or gzip, but ${other[1]}`, {
      hint: other[2],
    });
}

export function isGzip(first: Buffer): boolean {
  return first[0] === 0x1f && first[1] === 0x8b;
}
