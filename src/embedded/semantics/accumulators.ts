/*
 * $sum, $avg, $first and the like: in $group over documents, in expressions over the elements of an array.
 * Before it: the $group stage and expression.ts; after it: arithmetic and order.
 */
import { Double, Int32 } from "bson";
import { combineLoosely, divide, doubleOf, isNumber } from "./arithmetic.js";
import type { Doc } from "./bson-codec.js";
import { isObject, put, typeName } from "./bson-kinds.js";
import { compareValues } from "./compare.js";
import { isNullish, location } from "./expression-operands.js";
import type { OperatorBuilder } from "./expression-types.js";
import { encodeKey } from "./key-encoding.js";

/** One group's running result; `undefined` is a missing value. */
export interface Accumulator {
  add(value: unknown): void;
  result(): unknown;
}

/** Doubles are summed with Kahan's and Neumaier's correction: 1e16 + 1 - 1e16 is 1. */
class Sum implements Accumulator {
  private exact: unknown = new Int32(0);
  private high = 0;
  private low = 0;
  private hasDouble = false;
  count = 0;

  add(value: unknown): void {
    if (!isNumber(value)) return;
    this.count++;
    if (typeName(value) === "double") this.addDouble(doubleOf(value));
    else this.exact = combineLoosely("+", this.exact, value);
  }

  private addDouble(value: number): void {
    this.hasDouble = true;
    const sum = this.high + value;
    const lost = Math.abs(this.high) >= Math.abs(value) ? this.high - sum + value : value - sum + this.high;
    // Infinity minus infinity would turn the correction into NaN.
    if (Number.isFinite(lost)) this.low += lost;
    this.high = sum;
  }

  result(): unknown {
    return this.hasDouble ? combineLoosely("+", new Double(this.high + this.low), this.exact) : this.exact;
  }
}

class Average implements Accumulator {
  private readonly sum = new Sum();
  add(value: unknown): void {
    this.sum.add(value);
  }
  result(): unknown {
    return this.sum.count === 0 ? null : divide(this.sum.result(), new Int32(this.sum.count));
  }
}

class Extreme implements Accumulator {
  private best: unknown = null;
  constructor(private readonly wanted: 1 | -1) {}
  add(value: unknown): void {
    if (isNullish(value)) return;
    if (this.best === null || compareValues(value, this.best) * this.wanted > 0) this.best = value;
  }
  result(): unknown {
    return this.best;
  }
}

class First implements Accumulator {
  private seen = false;
  private value: unknown = null;
  add(value: unknown): void {
    if (!this.seen) this.value = value ?? null;
    this.seen = true;
  }
  result(): unknown {
    return this.value;
  }
}

class Last implements Accumulator {
  private value: unknown = null;
  add(value: unknown): void {
    this.value = value ?? null;
  }
  result(): unknown {
    return this.value;
  }
}

class Push implements Accumulator {
  private readonly values: unknown[] = [];
  add(value: unknown): void {
    if (value !== undefined) this.values.push(value);
  }
  result(): unknown {
    return this.values;
  }
}

class AddToSet implements Accumulator {
  private readonly values = new Map<string, unknown>();
  add(value: unknown): void {
    if (value === undefined) return;
    const key = encodeKey([value]).toString("latin1");
    if (!this.values.has(key)) this.values.set(key, value);
  }
  result(): unknown {
    return [...this.values.values()];
  }
}

class Merge implements Accumulator {
  private readonly doc: Doc = {};
  add(value: unknown): void {
    if (isNullish(value)) return;
    if (!isObject(value)) throw location(40400, `$mergeObjects requires object inputs, but input is of type ${typeName(value)}`);
    for (const [key, item] of Object.entries(value)) put(this.doc, key, item);
  }
  result(): unknown {
    return this.doc;
  }
}

const ARITHMETIC: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => new Sum(),
  $avg: () => new Average(),
  $min: () => new Extreme(-1),
  $max: () => new Extreme(1),
};

export const ACCUMULATORS: ReadonlyMap<string, () => Accumulator> = new Map(
  Object.entries({
    ...ARITHMETIC,
    $first: () => new First(),
    $last: () => new Last(),
    $push: () => new Push(),
    $addToSet: () => new AddToSet(),
    $mergeObjects: () => new Merge(),
  }),
);

/** One argument that is an array is taken apart; several are taken as they are. */
const overElements =
  (create: () => Accumulator): OperatorBuilder =>
  (operand, compile) => {
    const list = (Array.isArray(operand) ? (operand as unknown[]) : [operand]).map((item) => compile(item));
    return (frame) => {
      const values = list.map((evaluate) => evaluate(frame));
      const [only] = values;
      const total = create();
      for (const value of list.length === 1 && Array.isArray(only) ? (only as unknown[]) : values) total.add(value);
      return total.result();
    };
  };

export const accumulatorExpressions: Readonly<Record<string, OperatorBuilder>> = Object.fromEntries(
  Object.entries(ARITHMETIC).map(([name, create]) => [name, overElements(create)]),
);
