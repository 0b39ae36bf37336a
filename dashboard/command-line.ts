/** A command for the terminal with a button that copies it. */
import { h, setText } from './dom.js';

export interface CommandLine {
  readonly element: HTMLElement;
  show(command: string): void;
}

/** @param title describes what the button copies, for screen readers */
export function commandLine(title: string): CommandLine {
  const code = h('code');
  const button = h('button', { type: 'button', class: 'quiet', 'aria-label': `Copy: ${title}` }, 'Copy');
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(code.textContent).then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Select it'),
    );
  });
  return {
    element: h('div', { class: 'command' }, code, button),
    show: (command) => {
      if (code.textContent !== command) button.textContent = 'Copy';
      setText(code, command);
    },
  };
}
