/** A cell in memory, one hour of one subject, and the subject it belongs to. */
import type { HllSketch } from 'hyperloglog-ts';
import { domainOf } from '../../lib/url/domain.js';
import type { Subject } from '../../lib/views/view.js';

/** A page or a domain. One object may stand for it again and again, and then knows the cell it was last used for. */
export class CellSubject {
  /** The cell that was used last; whether it still counts, its era says. */
  recent: Cell | undefined;

  constructor(
    readonly kind: 'page' | 'domain',
    /** The page's normalised URL, or the domain itself. */
    readonly name: string,
    /** A page's key begins with its domain. */
    readonly domain: string,
  ) {}

  static page(url: string): CellSubject {
    return new CellSubject('page', url, domainOf(url));
  }

  static domain(domain: string): CellSubject {
    return new CellSubject('domain', domain, domain);
  }

  static of(subject: Subject): CellSubject {
    return subject.kind === 'page' ? CellSubject.page(subject.url) : CellSubject.domain(subject.domain);
  }
}

/** Stands for a time in which one view's cells in memory are all valid; nothing but its identity matters. */
export type Era = symbol;

export class Cell {
  isDirty = false;

  constructor(
    readonly subject: CellSubject,
    readonly hour: number,
    public pageviews: number,
    readonly sketch: HllSketch,
    /** Another hour of the same subject: mostly there are one or two in memory. */
    readonly next: Cell | undefined,
    public era: Era,
  ) {}
}
