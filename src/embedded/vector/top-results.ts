export interface VectorHit {
  docKey: Buffer;
  score: number;
}

export interface Candidate extends VectorHit {
  /** Met once in every partition that holds it, and to be counted once. */
  inSeveralPartitions: boolean;
}

/** True when `a` comes before `b`: higher score first, and the smaller document key on a tie, so that order is one. */
function precedes(a: VectorHit, b: VectorHit): boolean {
  if (a.score !== b.score) return a.score > b.score;
  return Buffer.compare(a.docKey, b.docKey) < 0;
}

/** The best `limit` hits offered, in a heap whose root is the worst of them. */
export class TopResults {
  private readonly heap: Candidate[] = [];
  /** Keys offered so far of documents in several partitions. */
  private readonly seen = new Set<string>();

  constructor(private readonly limit: number) {}

  /** No hit below this score can enter. */
  get floor(): number {
    const worst = this.heap[0];
    return worst === undefined || this.heap.length < this.limit ? Number.NEGATIVE_INFINITY : worst.score;
  }

  offer(hit: Candidate): void {
    if (hit.inSeveralPartitions && this.alreadySeen(hit.docKey)) return;
    if (this.heap.length < this.limit) {
      this.heap.push(hit);
      this.siftUp(this.heap.length - 1);
      return;
    }
    const worst = this.heap[0];
    if (worst === undefined || !precedes(hit, worst)) return;
    this.heap[0] = hit;
    this.siftDown(0);
  }

  absorb(other: TopResults): void {
    for (const hit of other.heap) this.offer(hit);
  }

  /** Best first. */
  sorted(): VectorHit[] {
    return this.heap.map(({ docKey, score }) => ({ docKey, score })).toSorted((a, b) => (precedes(a, b) ? -1 : 1));
  }

  private alreadySeen(docKey: Buffer): boolean {
    const key = docKey.toString("latin1");
    if (this.seen.has(key)) return true;
    this.seen.add(key);
    return false;
  }

  private at(index: number): Candidate {
    const hit = this.heap[index];
    if (hit === undefined) throw new RangeError(`Heap index out of range, got ${index}, expected below ${this.heap.length}`);
    return hit;
  }

  private siftUp(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!precedes(this.at(parent), this.at(index))) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private siftDown(start: number): void {
    let index = start;
    for (;;) {
      const left = 2 * index + 1;
      let worst = index;
      if (left < this.heap.length && precedes(this.at(worst), this.at(left))) worst = left;
      if (left + 1 < this.heap.length && precedes(this.at(worst), this.at(left + 1))) worst = left + 1;
      if (worst === index) return;
      this.swap(index, worst);
      index = worst;
    }
  }

  private swap(a: number, b: number): void {
    const held = this.at(a);
    this.heap[a] = this.at(b);
    this.heap[b] = held;
  }
}
