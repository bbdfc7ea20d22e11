import { Binary } from "mongodb";

/** BSON's packed vector form (subtype 9, float32): a quarter of the bytes of an array of doubles. */
export function packVector(vector: Float32Array): Binary {
  return Binary.fromFloat32Array(vector);
}
