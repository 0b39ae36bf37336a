/**
 * The key of a server that requires one: from the address of a shared link (`/#key=...`), or asked for. It is kept only for this tab's session, and
 * sent only to this server.
 */
import { h, setText } from './dom.js';

const storageKey = 'swa.key';
const keyPattern = /^\S{1,512}$/;

export class KeyDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #input = h('input', { id: 'key', type: 'password', autocomplete: 'off', required: true });
  readonly #error = h('p', { class: 'field-error', id: 'key-error', role: 'alert' });
  readonly #onKey: () => void;

  /** @param onKey called after every change of the key */
  constructor(onKey: () => void) {
    this.#onKey = onKey;
    const form = h(
      'form',
      { novalidate: true },
      h('h2', { id: 'key-title' }, 'This server needs a key'),
      h('p', {}, 'Enter a key with the read scope. It stays in this tab and is sent only to this server.'),
      h('label', { for: 'key' }, 'API key'),
      this.#input,
      this.#error,
      h('button', { type: 'submit' }, 'Use this key'),
    );
    this.#input.setAttribute('aria-describedby', 'key-error');
    this.#dialog = h('dialog', { id: 'key-dialog', 'aria-labelledby': 'key-title' }, form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    // The page shows nothing without a key.
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
    document.body.append(this.#dialog);
    takeKeyFromAddress();
    window.addEventListener('hashchange', () => {
      if (!takeKeyFromAddress()) return;
      this.#dialog.close();
      this.#onKey();
    });
  }

  get key(): string | undefined {
    return sessionStorage.getItem(storageKey) ?? undefined;
  }

  get isOpen(): boolean {
    return this.#dialog.open;
  }

  /** Opens the dialog, with an error if a key was sent and refused. */
  ask(): void {
    if (this.#dialog.open) return;
    setText(this.#error, this.key === undefined ? '' : 'The server does not accept this key.');
    this.#input.value = '';
    this.#dialog.showModal();
    this.#input.focus();
  }

  forget(): void {
    sessionStorage.removeItem(storageKey);
    this.#onKey();
  }

  #submit(): void {
    const key = this.#input.value.trim();
    if (key === '') return setText(this.#error, 'Enter a key first.');
    if (!keyPattern.test(key)) return setText(this.#error, 'A key cannot contain spaces.');
    sessionStorage.setItem(storageKey, key);
    this.#dialog.close();
    this.#onKey();
  }
}

/** Keeps the key that is in the address, if there is one, and removes it there. Browsers do not send that part of an address to servers. */
function takeKeyFromAddress(): boolean {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null || !keyPattern.test(key)) return false;
  history.replaceState(null, '', location.pathname + location.search);
  sessionStorage.setItem(storageKey, key);
  return true;
}
