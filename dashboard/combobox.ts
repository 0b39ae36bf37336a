/**
 * A text field with suggestions, following the ARIA combobox pattern: arrow keys move, Enter selects, Escape cancels, Tab keeps the old value.
 * Focus stays in the field; aria-activedescendant tells the active item.
 */
import { h, icon, setAttributes } from './dom.js';

export interface Choice {
  readonly value: string;
  readonly text: string;
  /** A second, quieter text ('1,204 views'). */
  readonly note?: string;
}

/** The signal aborts a request that a newer one has replaced. Must not throw. */
export type Suggest = (typed: string, signal: AbortSignal) => Promise<readonly Choice[]> | readonly Choice[];

export interface ComboboxOptions {
  readonly id: string;
  readonly label: string;
  readonly placeholder: string;
  /** Suggestions for the typed text; '' asks for all. */
  readonly suggest: Suggest;
  readonly onChoose: (value: string) => void;
  /** The value for typed text if no suggestion is selected; undefined rejects it. */
  readonly typed?: (text: string) => string | undefined;
}

const pauseMs = 150;
const timeoutMs = 5_000;

export class Combobox {
  readonly input: HTMLInputElement;
  readonly #list: HTMLUListElement;
  readonly #options: ComboboxOptions;
  #choices: readonly Choice[] = [];
  #active = -1;
  #shown = '';
  #asking = new AbortController();
  /** Timer from a keystroke until suggestions are requested, so that a word is one request and not one per letter. */
  #typing: number | undefined;
  /** Pending from the request until the suggestions are shown. */
  #opening: Promise<void> | undefined;

  constructor(host: HTMLElement, options: ComboboxOptions) {
    this.#options = options;
    const { id, label, placeholder } = options;
    this.input = h('input', {
      id,
      type: 'text',
      role: 'combobox',
      autocomplete: 'off',
      spellcheck: 'false',
      placeholder,
      'aria-autocomplete': 'list',
      'aria-expanded': 'false',
      'aria-controls': `${id}-list`,
    });
    this.#list = h('ul', { id: `${id}-list`, role: 'listbox', 'aria-label': label, hidden: true });
    const box = h('div', { class: 'combobox' }, this.input, icon('chevron'), this.#list);
    host.replaceChildren(h('label', { for: id }, label), box);
    this.input.addEventListener('focus', () => this.input.select());
    this.input.addEventListener('click', () => void this.#open(''));
    this.input.addEventListener('input', () => this.#typed());
    this.input.addEventListener('keydown', (event) => this.#key(event));
    this.input.addEventListener('blur', () => this.#close());
    // Prevents mousedown's default, so that the field keeps the focus.
    this.#list.addEventListener('mousedown', (event) => event.preventDefault());
    this.#list.addEventListener('click', (event) => {
      const item = event.target instanceof Element ? event.target.closest('[role=option]') : null;
      if (item !== null) this.#take(Number(item.getAttribute('data-index')));
    });
  }

  /** Shows the current value, unless the reader is typing. */
  show(text: string): void {
    if (text === this.#shown) return;
    this.#shown = text;
    if (this.#list.hidden) this.input.value = text;
  }

  #typed(): void {
    window.clearTimeout(this.#typing);
    this.#typing = window.setTimeout(() => {
      const opening = this.#open(this.input.value.trim()).finally(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
      this.#opening = opening;
    }, pauseMs);
  }

  async #open(typed: string): Promise<void> {
    this.#forget();
    const asking = new AbortController();
    this.#asking = asking;
    const { signal } = asking;
    const choices = await this.#options.suggest(
      typed,
      AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    );
    // A newer request has started, or the reader has left the field.
    if (signal.aborted || document.activeElement !== this.input) return;
    this.#choices = choices;
    const items = choices.map((choice, i) =>
      h(
        'li',
        { role: 'option', id: `${this.#options.id}-${i}`, 'data-index': i, 'aria-selected': 'false' },
        h('span', {}, choice.text),
        choice.note === undefined ? undefined : h('small', {}, choice.note),
      ),
    );
    const none = h('li', { class: 'none', role: 'presentation' }, 'Nothing fits');
    this.#list.replaceChildren(...(items.length === 0 ? [none] : items));
    this.#list.hidden = false;
    setAttributes(this.input, { 'aria-expanded': 'true' });
    this.#activate(typed === '' ? choices.findIndex((choice) => choice.text === this.#shown) : 0);
  }

  /** Cancels a request that is running or scheduled. */
  #forget(): void {
    window.clearTimeout(this.#typing);
    this.#typing = undefined;
    this.#opening = undefined;
    this.#asking.abort();
  }

  #close(): void {
    this.#forget();
    this.#list.hidden = true;
    this.#active = -1;
    setAttributes(this.input, { 'aria-expanded': 'false', 'aria-activedescendant': undefined });
    this.input.value = this.#shown;
  }

  #activate(index: number): void {
    this.#active = index < this.#choices.length ? index : -1;
    for (const [i, item] of [...this.#list.children].entries()) {
      const isActive = i === this.#active;
      if (item.getAttribute('role') === 'option') item.setAttribute('aria-selected', String(isActive));
      if (isActive) item.scrollIntoView({ block: 'nearest' });
    }
    const active = this.#active < 0 ? undefined : `${this.#options.id}-${this.#active}`;
    setAttributes(this.input, { 'aria-activedescendant': active });
  }

  #key(event: KeyboardEvent): void {
    const isOpen = !this.#list.hidden;
    const last = this.#choices.length - 1;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        event.preventDefault();
        if (!isOpen) return void this.#open('');
        const step = event.key === 'ArrowDown' ? 1 : -1;
        const next = this.#active < 0 && step < 0 ? last : this.#active + step;
        return this.#activate(next > last ? 0 : next < 0 ? last : next);
      }
      case 'Enter':
        event.preventDefault();
        if (this.#typing !== undefined || this.#opening !== undefined) return void this.#takeTyped();
        if (!isOpen) return void this.#open('');
        return this.#take(this.#active);
      case 'Escape':
        if (!isOpen) return;
        event.preventDefault();
        this.#close();
        return this.input.select();
      default:
    }
  }

  /** Enter was pressed before the suggestions for the typed text arrived: waits for them, because those shown are older. */
  async #takeTyped(): Promise<void> {
    const typed = this.input.value.trim();
    await (this.#typing === undefined ? this.#opening : this.#open(typed));
    if (this.input.value.trim() === typed && !this.#list.hidden) this.#take(this.#active);
  }

  #take(index: number): void {
    const text = this.input.value.trim();
    const value = this.#choices[index]?.value ?? this.#options.typed?.(text);
    this.#close();
    if (value !== undefined) this.#options.onChoose(value);
  }
}
