/** Subjects of cells: a page, a domain, or a value of a dimension of a domain. */
import { domainOf } from '../../facts/url/domain.js';
import type { Subject } from '../../facts/views/view.js';
import { Numbered } from './bucket-numbers.js';

/** One object represents its subject again and again within one partition. Its numbers are those of its cells. */
export class CellSubject extends Numbered {
  constructor(
    readonly kind: Subject['kind'],
    /** The page's normalised URL, the domain, or the value. */
    readonly name: string,
    /** Part of the key of pages and values. */
    readonly domain: string,
    /** Name of a value's dimension; '' for other kinds. */
    readonly dimension = '',
  ) {
    super();
  }

  static page(url: string): CellSubject {
    return new CellSubject('page', url, domainOf(url));
  }

  static domain(domain: string): CellSubject {
    return new CellSubject('domain', domain, domain);
  }

  static value(dimension: string, domain: string, value: string): CellSubject {
    return new CellSubject('value', value, domain, dimension);
  }

  static of(subject: Subject): CellSubject {
    if (subject.kind === 'page') return CellSubject.page(subject.url);
    if (subject.kind === 'domain') return CellSubject.domain(subject.domain);
    return CellSubject.value(subject.dimension, subject.domain, subject.value);
  }
}

/** The combined values of pageviews of a domain. Its numbers are those of groups of cells. */
export class ValueCombination extends Numbered {
  /** @param subjects one per kept dimension; undefined if the pageviews have no value */
  constructor(readonly subjects: readonly (CellSubject | undefined)[]) {
    super();
  }
}
