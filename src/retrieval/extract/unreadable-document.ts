/** A document that cannot be read, told so that it crosses a thread: class instances do not survive `postMessage`. */
export class UnreadableDocument extends Error {
  constructor(
    readonly got: string,
    readonly expected: string,
  ) {
    super(`Unreadable document: got ${got}, expected ${expected}`);
    this.name = "UnreadableDocument";
  }
}
