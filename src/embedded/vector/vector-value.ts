import { Binary } from "bson";
import { numberOf } from "./bson-number.js";
import type { VectorField } from "./index-definition.js";

/** BSON binary vector, header of two bytes: element type, then unused bits. 0x27 is float32, little endian. */
const FLOAT32_TYPE = 0x27;
const HEADER_BYTES = 2;

/** The elements of a BSON array of numbers or of a float32 binary vector; undefined for anything else. */
export function readVector(value: unknown): ArrayLike<number> | undefined {
  if (Array.isArray(value)) return readArray(value);
  if (value instanceof Binary) return readBinary(value);
  return undefined;
}

/**
 * Float32 copy in the form the kernel scores: of length one under cosine, as given otherwise.
 * Undefined when it cannot be indexed: wrong length, a number that is not finite as float32, or zero under cosine.
 */
export function prepareVector(elements: ArrayLike<number>, field: VectorField): Float32Array | undefined {
  if (elements.length !== field.numDimensions) return undefined;
  const prepared = new Float32Array(elements.length);
  const scale = field.similarity === "cosine" ? inverseLength(elements) : 1;
  if (scale === undefined) return undefined;
  for (let i = 0; i < elements.length; i += 1) {
    const element = elements[i] ?? Number.NaN;
    // The element itself must be a float32, or scaling would let 1e300 in under cosine and not under dotProduct.
    if (!Number.isFinite(Math.fround(element))) return undefined;
    prepared[i] = element * scale;
  }
  return prepared;
}

function inverseLength(elements: ArrayLike<number>): number | undefined {
  let squares = 0;
  for (let i = 0; i < elements.length; i += 1) {
    const element = Math.fround(elements[i] ?? Number.NaN);
    squares += element * element;
  }
  return squares > 0 && Number.isFinite(squares) ? 1 / Math.sqrt(squares) : undefined;
}

function readArray(values: readonly unknown[]): number[] | undefined {
  const numbers: number[] = [];
  for (const value of values) {
    const number = numberOf(value);
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  return numbers;
}

function readBinary(binary: Binary): Float32Array | undefined {
  if (binary.sub_type !== Binary.SUBTYPE_VECTOR) return undefined;
  const bytes = binary.buffer.subarray(0, binary.position);
  const dataBytes = bytes.length - HEADER_BYTES;
  if (bytes[0] !== FLOAT32_TYPE || bytes[1] !== 0 || dataBytes < 0 || dataBytes % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES, dataBytes);
  const elements = new Float32Array(dataBytes / 4);
  for (let i = 0; i < elements.length; i += 1) elements[i] = view.getFloat32(i * 4, true);
  return elements;
}
