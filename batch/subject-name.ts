import type { Subject } from '../facts/views/view.js';

/** Name for messages: 'page https://site.example/a', 'domain site.example', 'browser site.example firefox'. */
export function nameOf(subject: Subject): string {
  if (subject.kind === 'page') return `page ${subject.url}`;
  if (subject.kind === 'domain') return `domain ${subject.domain}`;
  return `${subject.dimension} ${subject.domain} ${subject.value}`;
}
