/** Light or dark theme: the system's preference until the reader chooses. Runs before the first paint, so nothing flashes. */

const storageKey = 'swa.theme';
const systemDark = window.matchMedia('(prefers-color-scheme: dark)');
type Theme = 'light' | 'dark';

function chosen(): Theme | undefined {
  const stored = localStorage.getItem(storageKey);
  return stored === 'light' || stored === 'dark' ? stored : undefined;
}

export function currentTheme(): Theme {
  return chosen() ?? (systemDark.matches ? 'dark' : 'light');
}

export function toggleTheme(): void {
  localStorage.setItem(storageKey, currentTheme() === 'dark' ? 'light' : 'dark');
  apply();
}

const listeners: (() => void)[] = [];

/** The listener is called after every change. */
export function onThemeChange(listener: () => void): void {
  listeners.push(listener);
}

function apply(): void {
  document.documentElement.dataset['theme'] = currentTheme();
  for (const listener of listeners) listener();
}

systemDark.addEventListener('change', apply);
apply();
