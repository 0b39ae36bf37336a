/** Numbers from 0 for things in hours, for the time of one epoch. A thing knows its own, so they are found without a search. */

export abstract class Numbered {
  /** What is said below is about these. */
  numbers: HourNumbers | undefined;
  /** The number that was asked for last, and its hour. */
  recent = 0;
  recentHour = 0;
  /** The number that was given last. */
  newest = 0;
}

export const noNumber = -1;

export class HourNumbers {
  /** By number. */
  readonly hours: number[] = [];
  /** By number: another one of the same thing: mostly it has one or two. */
  readonly #others: number[] = [];

  /** `noNumber` when it has none yet. */
  find(thing: Numbered, hour: number): number {
    if (thing.numbers !== this) return noNumber;
    if (thing.recentHour === hour) return thing.recent;
    let number = thing.newest;
    while (number !== noNumber && this.hours[number] !== hour) number = this.#others[number] ?? noNumber;
    if (number === noNumber) return noNumber;
    thing.recent = number;
    thing.recentHour = hour;
    return number;
  }

  /** Gives the next number to a thing that has none in this hour. */
  add(thing: Numbered, hour: number): number {
    const number = this.hours.push(hour) - 1;
    this.#others.push(thing.numbers === this ? thing.newest : noNumber);
    thing.numbers = this;
    thing.newest = number;
    thing.recent = number;
    thing.recentHour = hour;
    return number;
  }
}
