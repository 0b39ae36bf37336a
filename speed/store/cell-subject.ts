/** What has cells: a page or a domain, that is, a site. */
import { domainOf } from '../../facts/url/domain.js';
import type { Subject } from '../../facts/views/view.js';

/**
 * One object stands for its page or domain again and again within one partition, and knows where it has its cells among
 * those that the present epoch touches: so they are found without a search.
 */
export class CellSubject {
  /** What is said below is about this one. */
  epoch: object | undefined;
  /** The number of the cell it was last counted in, and that cell's hour. */
  recentCell = 0;
  recentHour = 0;
  newestCell = 0;

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
