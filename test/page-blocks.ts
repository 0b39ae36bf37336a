/** What a document shows: its blocks of code, and the commands of its consoles with what they print. */
import { assetText } from '../lib/files/assets.js';

export interface Block {
  readonly language: string;
  readonly code: string;
  /** The block that follows directly, if it has no language: what this one prints. */
  readonly prints: string;
}

export interface ShownCommand {
  readonly command: string;
  /** Lines. */
  readonly prints: readonly string[];
}

/** All blocks that have a language. */
export function blocksOf(path: string): readonly Block[] {
  return [...assetText(path).matchAll(/^```(\w+)\n([^]*?)^```\n(?:\n```\n([^]*?)^```\n)?/gm)].map(
    ([, language = '', code = '', prints = '']) => ({ language, code, prints }),
  );
}

/** Each line that begins with '$ ', and those after it up to the end of its last quoted text. */
export function commandsOf(blocks: readonly Block[]): readonly ShownCommand[] {
  return blocks
    .filter(({ language }) => language === 'console')
    .flatMap(({ code }) => code.split(/^\$ /m).slice(1))
    .map((text) => {
      const lines = text.trimEnd().split('\n');
      let end = 1;
      while (lines.slice(0, end).join('\n').split("'").length % 2 === 0 && end < lines.length) end++;
      return { command: lines.slice(0, end).join('\n'), prints: lines.slice(end) };
    });
}
