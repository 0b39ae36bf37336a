/** Creates elements in code: no markup is made from outside text, so nothing can be injected. */

type Child = Node | string | undefined;

/** Attributes by their HTML name; `true` sets an empty value, `false` and undefined remove the attribute. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Creates an element. `class` and `aria-*` are ordinary attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Sets the text only if it differs, so that a refresh without changes disturbs neither selection nor screen readers. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** The element of the page with this id. Throws if the page and its script do not match. */
export function byId<K extends keyof HTMLElementTagNameMap>(id: string, tag: K): HTMLElementTagNameMap[K] {
  const element = document.getElementById(id);
  if (element?.localName !== tag) throw new Error(`the page has no <${tag} id="${id}">`);
  return element as HTMLElementTagNameMap[K]; // its name was checked
}

/** A drawing from the page's sprite sheet (icons.svg). Decorative: its meaning is also in the text. */
export function icon(name: string): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  setAttributes(svg, { class: 'icon', 'aria-hidden': 'true', focusable: 'false' });
  const use = document.createElementNS(namespace, 'use');
  use.setAttribute('href', `/assets/icons.svg#${name}`);
  svg.append(use);
  return svg;
}
