/** The controls for what to show. They have no state of their own: they show the page's state and request changes. */
import { Combobox, type Choice, type Suggest } from './combobox.js';
import { byId } from './dom.js';
import { nameOf, readableHost } from './readable-url.js';
import { intervals, presets, type PageState } from './state.js';
import { allZones } from './zone-time.js';

export interface FiltersOptions {
  readonly suggestDomains: Suggest;
  readonly suggestPages: Suggest;
  /** Whether the data can show hours and days of a zone. */
  readonly canShow: (zone: string) => boolean;
  /** The current range as local times of the zone, the initial value of a custom range. */
  readonly localRange: () => { readonly from: string; readonly to: string };
  readonly onChange: (change: Partial<PageState>) => void;
}

const allPages: Choice = { value: '', text: 'All pages' };
const zonesShown = 60;

export class Filters {
  readonly #domain: Combobox;
  readonly #page: Combobox;
  readonly #zone: Combobox;
  readonly #interval = byId('interval', 'select');
  readonly #custom = byId('custom-range', 'div');
  readonly #from = byId('from', 'input');
  readonly #to = byId('to', 'input');
  readonly #ranges = [...document.querySelectorAll<HTMLInputElement>('input[name=range]')];

  constructor(options: FiltersOptions) {
    const { onChange } = options;
    this.#domain = new Combobox(byId('domain-field', 'div'), {
      id: 'domain',
      label: 'Domain',
      placeholder: 'example.org',
      suggest: options.suggestDomains,
      typed: (text) => (text === '' ? undefined : text),
      onChoose: (domain) => onChange({ domain, url: undefined }),
    });
    this.#page = new Combobox(byId('page-field', 'div'), {
      id: 'page',
      label: 'Page',
      placeholder: 'All pages',
      suggest: async (typed, signal) => [
        ...(typed === '' ? [allPages] : []),
        ...(await options.suggestPages(typed, signal)),
      ],
      typed: (text) => (text === '' ? '' : /^https?:\/\//.test(text) ? text : `https://${text}`),
      onChoose: (url) => onChange({ url: url === '' ? undefined : url }),
    });
    const zones = allZones().map((zone): Choice => ({ value: zone, text: zone }));
    this.#zone = new Combobox(byId('zone-field', 'div'), {
      id: 'zone',
      label: 'Time zone',
      placeholder: 'UTC',
      suggest: (typed) => {
        const named = zones.filter((zone) => fits(zone.text, typed));
        return named.filter((zone) => options.canShow(zone.text)).slice(0, zonesShown);
      },
      onChoose: (zone) => onChange({ zone }),
    });
    this.#interval.addEventListener('change', () =>
      onChange({ by: intervals.find((interval) => interval === this.#interval.value) }),
    );
    for (const radio of this.#ranges) {
      radio.addEventListener('change', () =>
        onChange({ range: presets.find((preset) => preset === radio.value) ?? options.localRange() }),
      );
    }
    byId('filters', 'form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#custom.hidden || this.#from.value === '' || this.#to.value === '') return;
      onChange({ range: { from: this.#from.value.slice(0, 16), to: this.#to.value.slice(0, 16) } });
    });
  }

  show({ domain, url, range, zone, by }: PageState): void {
    this.#domain.show(readableHost(domain ?? ''));
    this.#page.show(url === undefined ? allPages.text : nameOf(url));
    this.#zone.show(zone);
    this.#interval.value = by ?? '';
    const name = typeof range === 'string' ? range : 'custom';
    for (const radio of this.#ranges) radio.checked = radio.value === name;
    this.#custom.hidden = typeof range === 'string';
    if (typeof range === 'string') return;
    this.#from.value = range.from;
    this.#to.value = range.to;
  }
}

/** Whether a name contains the typed text; 'new york' matches 'America/New_York'. */
export function fits(name: string, typed: string): boolean {
  return name.toLowerCase().includes(typed.toLowerCase().replaceAll(' ', '_'));
}
